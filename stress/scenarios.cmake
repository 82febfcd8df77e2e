# SPDX-License-Identifier: MIT
#
# Every scenario of weir-storm for about a second, small enough for a build with sanitizers. They
# look for what is wrong, not for what is slow.

function(weir_scenario name)
    add_test(NAME stress.${name} COMMAND weir-storm ${ARGN} --quiet)
    math(EXPR seconds "30 * ${WEIR_TIMEOUT_SCALE}")
    set_tests_properties(stress.${name} PROPERTIES LABELS stress TIMEOUT ${seconds}
                         ENVIRONMENT "${WEIR_TEST_ENVIRONMENT}")
endfunction()

weir_scenario(echo echo --seconds 1 --connections 32 --depth 4 --size 16k --mixed)
weir_scenario(echo_open echo --seconds 1 --connections 32 --rate 5000 --transport unix)
weir_scenario(echo_in_process echo --seconds 1 --connections 16 --server process)
weir_scenario(xthread xthread --seconds 1 --connections 16)
weir_scenario(bulk bulk --seconds 1 --way both --size-min 64k --size-max 1m --zerocopy)
weir_scenario(bulk_file bulk --seconds 1 --way both --size-min 64k --size-max 1m --file)
weir_scenario(bulk_in bulk --seconds 1 --way in --size-min 64k --size-max 1m --transport unix)
weir_scenario(fanout fanout --seconds 1 --connections 64 --slow 0.1)
weir_scenario(cancel cancel --seconds 1 --connections 32)
weir_scenario(churn churn --count 1500 --connections 32)
weir_scenario(churn_unix churn --count 1500 --connections 32 --transport unix)
weir_scenario(drain drain --count 1500 --connections 32)
weir_scenario(drain_counts drain --count 500 --connections 32 --close flush)
weir_scenario(drain_unix drain --count 1500 --connections 32 --transport unix)
weir_scenario(idle idle --seconds 1 --connections 500)
weir_scenario(hog hog --seconds 1 --connections 50 --hog-size 256k)
weir_scenario(ceiling ceiling --seconds 1 --connections 200 --limit 2m --healthy 4)
weir_scenario(chaos chaos --seconds 3)
set_tests_properties(stress.chaos PROPERTIES RUN_SERIAL ON)
