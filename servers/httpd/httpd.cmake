# SPDX-License-Identifier: MIT
# weir-httpd. All of it but main.c is the library weir_httpd, which its tests link, too. Without
# WebSocket in the library sockets_none.c stands for sockets.c.

weir_sources(httpd_sources "servers/httpd/*.c")
list(FILTER httpd_sources EXCLUDE REGEX "/(main|sockets|sockets_none)\\.c$")

# The live page, as bytes in a source.
set(live_page ${CMAKE_CURRENT_LIST_DIR}/live.html)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${live_page})
file(READ ${live_page} live_page_hex HEX)
string(LENGTH "${live_page_hex}" live_page_size)
math(EXPR live_page_size "${live_page_size} / 2")
string(REGEX REPLACE "(..)" "0x\\1," live_page_bytes "${live_page_hex}")
file(CONFIGURE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/live_page.c @ONLY CONTENT
     "#include <stddef.h>
extern const unsigned char live_page[];
extern const size_t live_page_size;
const unsigned char live_page[] = {@live_page_bytes@};
const size_t live_page_size = @live_page_size@;
")

set(httpd_ws sockets_none.c)
set(httpd_http weir::http_static)
if(TARGET weir_ws_static)
    set(httpd_ws sockets.c)
    set(httpd_http weir::ws_static)
endif()
add_library(weir_httpd STATIC ${httpd_sources} ${CMAKE_CURRENT_LIST_DIR}/${httpd_ws}
            ${CMAKE_CURRENT_BINARY_DIR}/live_page.c)
target_include_directories(weir_httpd PUBLIC ${CMAKE_CURRENT_LIST_DIR})
target_link_libraries(weir_httpd PUBLIC weir_server_common ${httpd_http})

add_executable(weir-httpd ${CMAKE_CURRENT_LIST_DIR}/main.c)
target_link_libraries(weir-httpd PRIVATE weir_httpd Threads::Threads m)
install(TARGETS weir-httpd RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(FILES ${PROJECT_SOURCE_DIR}/man/weir-httpd.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
