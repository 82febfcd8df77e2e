# SPDX-License-Identifier: MIT
# The component weir::http: libweir_http, on llhttp. WEIR_HTTP_PARTS: its objects, for tests.
#
# A system libllhttp of version 9 or later if pkg-config finds one; else the generated C that
# Debian's node-llhttp installs, compiled here, in the strict mode that it leaves to its user.

set(WEIR_HTTP_PARTS)
option(WEIR_HTTP "Build HTTP, where llhttp is installed" ON)
if(NOT WEIR_HTTP)
    return()
endif()

pkg_check_modules(LLHTTP QUIET IMPORTED_TARGET libllhttp>=9)
find_path(WEIR_LLHTTP_SOURCES llhttp.c PATHS /usr/share/llhttp NO_DEFAULT_PATH)
find_path(WEIR_LLHTTP_HEADER llhttp.h PATHS /usr/share/include/llhttp NO_DEFAULT_PATH)

add_library(weir_llhttp INTERFACE)
if(LLHTTP_FOUND)
    target_link_libraries(weir_llhttp INTERFACE PkgConfig::LLHTTP)
elseif(WEIR_LLHTTP_SOURCES AND WEIR_LLHTTP_HEADER)
    add_library(weir_llhttp_objects OBJECT ${WEIR_LLHTTP_SOURCES}/api.c
                ${WEIR_LLHTTP_SOURCES}/http.c ${WEIR_LLHTTP_SOURCES}/llhttp.c)
    target_compile_definitions(weir_llhttp_objects PRIVATE LLHTTP_STRICT_MODE=1)
    target_include_directories(weir_llhttp_objects SYSTEM PRIVATE ${WEIR_LLHTTP_HEADER})
    target_compile_options(weir_llhttp_objects PRIVATE -w -O2)
    set_target_properties(weir_llhttp_objects PROPERTIES POSITION_INDEPENDENT_CODE ON
                          C_VISIBILITY_PRESET hidden)
    target_include_directories(weir_llhttp SYSTEM INTERFACE ${WEIR_LLHTTP_HEADER})
    set(WEIR_HTTP_PARTS weir_llhttp_objects)
else()
    message(STATUS "weir: HTTP is left out, neither libllhttp nor node-llhttp is installed")
    return()
endif()

weir_sources(weir_http_sources "netio/http/*.c")
weir_component_objects(http SOURCES ${weir_http_sources} LINK weir_llhttp)
list(APPEND WEIR_HTTP_PARTS weir_http_objects)
set(weir_http_needs)
if(LLHTTP_FOUND)
    set(weir_http_needs libllhttp)
endif()
weir_component(http DESCRIPTION "HTTP/1.1 on weir" PARTS ${WEIR_HTTP_PARTS}
               LINK ${LLHTTP_LINK_LIBRARIES} NEEDS ${weir_http_needs})
