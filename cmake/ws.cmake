# SPDX-License-Identifier: MIT
# The component weir::ws: libweir_ws, on weir::http, nettle, and zlib if permessage-deflate is
# wanted. WEIR_WS_PARTS: its objects, for tests.

set(WEIR_WS_PARTS)
option(WEIR_WS "Build WebSocket, where HTTP is built and nettle is installed" ON)
option(WEIR_WS_DEFLATE "WebSocket with permessage-deflate, where zlib is installed" ON)
if(NOT WEIR_WS OR NOT WEIR_HTTP_PARTS)
    return()
endif()

pkg_check_modules(NETTLE QUIET IMPORTED_TARGET nettle>=3.4)
if(NOT NETTLE_FOUND)
    message(STATUS "weir: WebSocket is left out, nettle is not installed (Debian: nettle-dev)")
    return()
endif()
set(WEIR_WS_DEFLATE_USED OFF)
if(WEIR_WS_DEFLATE)
    pkg_check_modules(WEIR_ZLIB QUIET IMPORTED_TARGET zlib)
    if(WEIR_ZLIB_FOUND)
        set(WEIR_WS_DEFLATE_USED ON)
    else()
        message(STATUS "weir: WebSocket without permessage-deflate, zlib is not installed")
    endif()
endif()

weir_sources(weir_ws_sources "netio/ws/*.c")
if(WEIR_WS_DEFLATE_USED)
    list(FILTER weir_ws_sources EXCLUDE REGEX "/deflate_none\\.c$")
else()
    list(FILTER weir_ws_sources EXCLUDE REGEX "/deflate\\.c$")
endif()
add_library(weir_ws_needs INTERFACE)
target_link_libraries(weir_ws_needs INTERFACE PkgConfig::NETTLE)
if(WEIR_WS_DEFLATE_USED)
    target_link_libraries(weir_ws_needs INTERFACE PkgConfig::WEIR_ZLIB)
endif()
add_library(weir_ws_objects OBJECT ${weir_ws_sources})
target_include_directories(weir_ws_objects PRIVATE ${PROJECT_SOURCE_DIR}
                           ${PROJECT_SOURCE_DIR}/include)
target_link_libraries(weir_ws_objects PRIVATE weir_ws_needs)
set_target_properties(weir_ws_objects PROPERTIES POSITION_INDEPENDENT_CODE ON
                      C_VISIBILITY_PRESET hidden)
set(WEIR_WS_PARTS weir_ws_objects)

add_library(weir_ws_static STATIC $<TARGET_OBJECTS:weir_ws_objects>)
add_library(weir_ws_shared SHARED $<TARGET_OBJECTS:weir_ws_objects>)
add_library(weir::ws_static ALIAS weir_ws_static)
add_library(weir::ws ALIAS weir_ws_shared)
target_link_libraries(weir_ws_static PUBLIC weir_http_static)
target_link_libraries(weir_ws_shared PUBLIC weir_http_shared)
foreach(library IN ITEMS weir_ws_static weir_ws_shared)
    set_target_properties(${library} PROPERTIES OUTPUT_NAME weir_ws LINKER_LANGUAGE C)
    target_link_libraries(${library} PRIVATE ${NETTLE_LINK_LIBRARIES} ${WEIR_ZLIB_LINK_LIBRARIES})
endforeach()
set_target_properties(weir_ws_static PROPERTIES EXPORT_NAME ws_static)
set_target_properties(weir_ws_shared PROPERTIES EXPORT_NAME ws
                      VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}
                      LINK_DEPENDS ${PROJECT_SOURCE_DIR}/cmake/weir.map)
target_link_options(weir_ws_shared PRIVATE
                    -Wl,--version-script=${PROJECT_SOURCE_DIR}/cmake/weir.map)

# --- install: find_package(weir COMPONENTS ws), weir_ws.pc ---------------------------------------

install(TARGETS weir_ws_static weir_ws_shared EXPORT weir-ws
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT weir-ws NAMESPACE weir:: FILE weir-ws-targets.cmake
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/weir)
install(FILES ${PROJECT_SOURCE_DIR}/include/weir/ws.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/weir)
set(weir_ws_pc_private nettle)
if(WEIR_WS_DEFLATE_USED)
    string(APPEND weir_ws_pc_private " zlib")
endif()
file(RELATIVE_PATH weir_pc_to_prefix /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
configure_file(${PROJECT_SOURCE_DIR}/cmake/weir_ws.pc.in ${PROJECT_BINARY_DIR}/weir_ws.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/weir_ws.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
