# SPDX-License-Identifier: MIT
# Libraries beside the core, each on the one before.

# weir_component_objects(NAME SOURCES... [LINK TARGETS...]): weir_NAME_objects.
function(weir_component_objects name)
    cmake_parse_arguments(THIS "" "" "SOURCES;LINK" ${ARGN})
    add_library(weir_${name}_objects OBJECT ${THIS_SOURCES})
    target_include_directories(weir_${name}_objects PRIVATE ${PROJECT_SOURCE_DIR}
                               ${PROJECT_SOURCE_DIR}/include)
    target_link_libraries(weir_${name}_objects PRIVATE ${THIS_LINK})
    set_target_properties(weir_${name}_objects PROPERTIES POSITION_INDEPENDENT_CODE ON
                          C_VISIBILITY_PRESET hidden)
endfunction()

# weir_component(NAME ON COMPONENT DESCRIPTION TEXT PARTS OBJECTS... [LINK LIBRARIES...] [NEEDS
# PACKAGES...]): weir::NAME and weir::NAME_static, and what is installed of them: the header
# weir/NAME.h, find_package(weir COMPONENTS NAME) and weir_NAME.pc, which needs the packages.
# COMPONENT is what it stands on, "" the core.
function(weir_component name)
    cmake_parse_arguments(THIS "" "ON;DESCRIPTION" "PARTS;LINK;NEEDS" ${ARGN})
    set(below weir)
    if(THIS_ON)
        set(below weir_${THIS_ON})
    endif()
    set(objects)
    foreach(part IN LISTS THIS_PARTS)
        list(APPEND objects $<TARGET_OBJECTS:${part}>)
    endforeach()
    add_library(weir_${name}_static STATIC ${objects})
    add_library(weir_${name}_shared SHARED ${objects})
    add_library(weir::${name}_static ALIAS weir_${name}_static)
    add_library(weir::${name} ALIAS weir_${name}_shared)
    foreach(kind IN ITEMS static shared)
        set_target_properties(weir_${name}_${kind} PROPERTIES OUTPUT_NAME weir_${name}
                              LINKER_LANGUAGE C)
        target_link_libraries(weir_${name}_${kind} PUBLIC ${below}_${kind} PRIVATE ${THIS_LINK})
    endforeach()
    set_target_properties(weir_${name}_static PROPERTIES EXPORT_NAME ${name}_static)
    set_target_properties(weir_${name}_shared PROPERTIES EXPORT_NAME ${name}
                          VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR}
                          LINK_DEPENDS ${PROJECT_SOURCE_DIR}/cmake/weir.map)
    target_link_options(weir_${name}_shared PRIVATE
                        -Wl,--version-script=${PROJECT_SOURCE_DIR}/cmake/weir.map)

    install(TARGETS weir_${name}_static weir_${name}_shared EXPORT weir-${name}
            ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
            LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
    install(EXPORT weir-${name} NAMESPACE weir:: FILE weir-${name}-targets.cmake
            DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/weir)
    install(FILES ${PROJECT_SOURCE_DIR}/include/weir/${name}.h
            DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/weir)
    set(weir_component_requires ${below})
    list(JOIN THIS_NEEDS " " weir_component_needs)
    file(RELATIVE_PATH weir_pc_to_prefix /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
    configure_file(${PROJECT_SOURCE_DIR}/cmake/component.pc.in
                   ${PROJECT_BINARY_DIR}/weir_${name}.pc @ONLY)
    install(FILES ${PROJECT_BINARY_DIR}/weir_${name}.pc
            DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endfunction()
