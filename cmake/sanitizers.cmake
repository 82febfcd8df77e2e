# SPDX-License-Identifier: MIT
# WEIR_SANITIZE, checked and turned into flags. WEIR_TEST_ENVIRONMENT is what tests run with.

set(WEIR_TEST_ENVIRONMENT)
set(WEIR_TIMEOUT_SCALE 1)

foreach(sanitizer IN LISTS WEIR_SANITIZE)
    if(NOT sanitizer MATCHES "^(address|undefined|thread)$")
        message(FATAL_ERROR "WEIR_SANITIZE: '${sanitizer}' is not address, undefined or thread")
    endif()
endforeach()
if("thread" IN_LIST WEIR_SANITIZE AND "address" IN_LIST WEIR_SANITIZE)
    message(FATAL_ERROR "WEIR_SANITIZE: thread and address exclude each other")
endif()

if(WEIR_SANITIZE)
    list(JOIN WEIR_SANITIZE "," weir_sanitizers)
    add_compile_options(-fsanitize=${weir_sanitizers} -fno-sanitize-recover=all
                        -fno-omit-frame-pointer)
    add_link_options(-fsanitize=${weir_sanitizers})
    set(WEIR_TIMEOUT_SCALE 4)
    set(WEIR_TEST_ENVIRONMENT
        "WEIR_TEST_SLOW=4" # what waits for something in a test waits longer, too
        "ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1"
        "UBSAN_OPTIONS=print_stacktrace=1"
        "TSAN_OPTIONS=halt_on_error=1:exitcode=66:second_deadlock_stack=1${WEIR_TSAN_OPTIONS}")
endif()

if(WEIR_FUZZ)
    if(NOT CMAKE_C_COMPILER_ID MATCHES "Clang")
        message(FATAL_ERROR "WEIR_FUZZ needs clang")
    endif()
    add_compile_options(-fsanitize=fuzzer-no-link)
endif()

if("thread" IN_LIST WEIR_SANITIZE)
    # ThreadSanitizer cannot see into CK's assembly; the header says it in C.
    add_compile_options(
        "$<$<COMPILE_LANGUAGE:C>:SHELL:-include ${PROJECT_SOURCE_DIR}/cmake/ck_tsan.h>")
    if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
        add_compile_options(-Wno-tsan) # fences are known not to be modelled
    endif()
endif()
