# SPDX-License-Identifier: MIT

set(weir_warnings -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wundef)
set(weir_c_warnings -Wstrict-prototypes -Wmissing-prototypes)
if(WEIR_WERROR)
    list(APPEND weir_c_warnings -Werror)
endif()
foreach(flag IN LISTS weir_warnings weir_c_warnings)
    add_compile_options($<$<COMPILE_LANGUAGE:C>:${flag}>)
endforeach()
