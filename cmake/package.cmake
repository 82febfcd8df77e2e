# SPDX-License-Identifier: MIT
# install: headers, both libraries, the CMake package, weir.pc, manual pages.

include(CMakePackageConfigHelpers)

set(weir_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/weir)

install(TARGETS weir_static weir_shared EXPORT weir
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/weir DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
        FILES_MATCHING PATTERN "*.h" # a component's installs itself
        PATTERN "http.h" EXCLUDE PATTERN "ws.h" EXCLUDE)
install(EXPORT weir NAMESPACE weir:: FILE weir-targets.cmake DESTINATION ${weir_package_dir})

configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/weir-config.cmake.in
                              ${PROJECT_BINARY_DIR}/weir-config.cmake
                              INSTALL_DESTINATION ${weir_package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/weir-config-version.cmake
                                 COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/weir-config.cmake
              ${PROJECT_BINARY_DIR}/weir-config-version.cmake
        DESTINATION ${weir_package_dir})

if(WEIR_ALLOC_USED STREQUAL "mimalloc")
    set(weir_pc_private "-lc -lmimalloc -pthread") # in this order: see cmake/dependencies.cmake
else()
    set(weir_pc_private "-pthread")
endif()
file(RELATIVE_PATH weir_pc_to_prefix /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
configure_file(${PROJECT_SOURCE_DIR}/cmake/weir.pc.in ${PROJECT_BINARY_DIR}/weir.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/weir.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

foreach(section IN ITEMS 3 7)
    weir_sources(pages "man/*.${section}")
    if(pages)
        install(FILES ${pages} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section})
    endif()
endforeach()
