# SPDX-License-Identifier: MIT
# weir_deps: what the library's own sources need. WEIR_LINK: what its users must link.

find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(CK REQUIRED ck)

# libc stands before mimalloc on every link line. Some distributions build mimalloc so that it
# exports malloc and free; named first, libc keeps them, and a program that links weir keeps the
# allocator it had. tests/install holds us to it.
set(WEIR_LINK Threads::Threads)
if(WEIR_ALLOC_USED STREQUAL "mimalloc")
    find_package(mimalloc 2.0 CONFIG REQUIRED)
    list(APPEND WEIR_LINK c mimalloc)
endif()

# CK is used through its headers only: no -lck.
add_library(weir_deps INTERFACE)
target_include_directories(weir_deps SYSTEM INTERFACE ${CK_INCLUDE_DIRS})
target_link_libraries(weir_deps INTERFACE ${WEIR_LINK})
