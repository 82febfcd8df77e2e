# SPDX-License-Identifier: MIT
# weir-httpd. All of it but main.c is the library weir_httpd, which its tests link, too.

weir_sources(httpd_sources "servers/httpd/*.c")
list(FILTER httpd_sources EXCLUDE REGEX "/main\\.c$")
add_library(weir_httpd STATIC ${httpd_sources})
target_include_directories(weir_httpd PUBLIC ${CMAKE_CURRENT_LIST_DIR})
target_link_libraries(weir_httpd PUBLIC weir_server_common weir::http_static)

add_executable(weir-httpd ${CMAKE_CURRENT_LIST_DIR}/main.c)
target_link_libraries(weir-httpd PRIVATE weir_httpd Threads::Threads m)
install(TARGETS weir-httpd RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
