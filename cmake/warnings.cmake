# SPDX-License-Identifier: MIT

set(weir_warnings -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wundef)
set(weir_c_warnings -Wstrict-prototypes -Wmissing-prototypes)
if(CMAKE_C_COMPILER_ID MATCHES "Clang" AND WEIR_PROBES_USED)
    # What <sys/sdt.h> makes of a probe is pedantic only by gcc's measure.
    list(APPEND weir_c_warnings -Wno-gnu-zero-variadic-macro-arguments)
endif()
if(WEIR_WERROR)
    list(APPEND weir_c_warnings -Werror)
endif()
foreach(flag IN LISTS weir_warnings weir_c_warnings)
    add_compile_options($<$<COMPILE_LANGUAGE:C>:${flag}>)
endforeach()
