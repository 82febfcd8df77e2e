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
add_library(weir_http_objects OBJECT ${weir_http_sources})
target_include_directories(weir_http_objects PRIVATE ${PROJECT_SOURCE_DIR}
                           ${PROJECT_SOURCE_DIR}/include)
target_link_libraries(weir_http_objects PRIVATE weir_llhttp)
set_target_properties(weir_http_objects PROPERTIES POSITION_INDEPENDENT_CODE ON
                      C_VISIBILITY_PRESET hidden)
list(APPEND WEIR_HTTP_PARTS weir_http_objects)

set(weir_http_all)
foreach(part IN LISTS WEIR_HTTP_PARTS)
    list(APPEND weir_http_all $<TARGET_OBJECTS:${part}>)
endforeach()
add_library(weir_http_static STATIC ${weir_http_all})
add_library(weir_http_shared SHARED ${weir_http_all})
add_library(weir::http_static ALIAS weir_http_static)
add_library(weir::http ALIAS weir_http_shared)
target_link_libraries(weir_http_static PUBLIC weir_static)
target_link_libraries(weir_http_shared PUBLIC weir_shared)
foreach(library IN ITEMS weir_http_static weir_http_shared)
    set_target_properties(${library} PROPERTIES OUTPUT_NAME weir_http LINKER_LANGUAGE C)
    if(LLHTTP_FOUND)
        target_link_libraries(${library} PRIVATE ${LLHTTP_LINK_LIBRARIES})
    endif()
endforeach()
set_target_properties(weir_http_static PROPERTIES EXPORT_NAME http_static)
set_target_properties(weir_http_shared PROPERTIES EXPORT_NAME http
                      VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}
                      LINK_DEPENDS ${PROJECT_SOURCE_DIR}/cmake/weir.map)
target_link_options(weir_http_shared PRIVATE
                    -Wl,--version-script=${PROJECT_SOURCE_DIR}/cmake/weir.map)

# --- install: find_package(weir COMPONENTS http), weir_http.pc ---------------------------------

install(TARGETS weir_http_static weir_http_shared EXPORT weir-http
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT weir-http NAMESPACE weir:: FILE weir-http-targets.cmake
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/weir)
install(FILES ${PROJECT_SOURCE_DIR}/include/weir/http.h
        DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/weir)
set(weir_http_pc_private)
if(LLHTTP_FOUND)
    set(weir_http_pc_private libllhttp)
endif()
file(RELATIVE_PATH weir_pc_to_prefix /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
configure_file(${PROJECT_SOURCE_DIR}/cmake/weir_http.pc.in ${PROJECT_BINARY_DIR}/weir_http.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/weir_http.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
