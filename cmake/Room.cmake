# room(PATH FLOOR [USES room ...] [LIBS target ...] [TEST_USES room ...] [TEST_LIBS target ...]
<<<<<<< HEAD
#      [TEST_NEEDS target ...])   programs and plug-ins that its tests and benchmarks start or load
=======
#      [BENCH_LIBS target ...])
>>>>>>> main
#
# Declares the room src/PATH: a static library hanse_<name> from its .cc files, one program <name>_test from its
# *_test.cc, <name>_bench from *_bench.cc, and one <name>_fuzz_<noun> from each *_fuzz.cc. Files are globbed.
# The guard: a used room must stand above in src/rooms.cmake and on the same or a lower floor, so arrows cannot rise
# and cannot cycle. `core` is used by every room without saying so. tools/rooms.py checks the #include lines.

add_library(hanse_pch STATIC ${CMAKE_SOURCE_DIR}/cmake/pch.cc)
add_library(hanse_pch_test STATIC ${CMAKE_SOURCE_DIR}/cmake/pch.cc)
if(HANSE_PCH)
  target_precompile_headers(hanse_pch PRIVATE ${CMAKE_SOURCE_DIR}/cmake/pch.h)
  if(HANSE_TESTS)
    target_link_libraries(hanse_pch_test PRIVATE GTest::gtest)
    target_precompile_headers(hanse_pch_test PRIVATE ${CMAKE_SOURCE_DIR}/cmake/pch_test.h)
  endif()
endif()

function(hanse_use_pch target pch)
  if(HANSE_PCH)
    target_precompile_headers(${target} REUSE_FROM ${pch})
  endif()
endfunction()

function(hanse_check_uses name floor)
  foreach(used IN LISTS ARGN)
    get_property(used_floor GLOBAL PROPERTY HANSE_FLOOR_${used})
    if("${used_floor}" STREQUAL "")
      message(FATAL_ERROR "room ${name} uses ${used}, which is not declared above it in rooms.cmake")
    endif()
    if(used_floor GREATER floor)
      message(FATAL_ERROR "room ${name} (floor ${floor}) uses ${used} (floor ${used_floor}): arrows never rise")
    endif()
  endforeach()
endfunction()

function(room path floor)
<<<<<<< HEAD
  cmake_parse_arguments(R "" "" "USES;LIBS;TEST_USES;TEST_LIBS;TEST_NEEDS" ${ARGN})
=======
  cmake_parse_arguments(R "" "" "USES;LIBS;TEST_USES;TEST_LIBS;BENCH_LIBS" ${ARGN})
>>>>>>> main
  get_filename_component(name ${path} NAME)
  get_property(known GLOBAL PROPERTY HANSE_FLOOR_${name})
  if(NOT "${known}" STREQUAL "")
    message(FATAL_ERROR "room ${name} is declared twice: base names are unique")
  endif()
  set(uses ${R_USES})
  if(NOT name STREQUAL "core")
    list(PREPEND uses core)
  endif()
  hanse_check_uses(${name} ${floor} ${uses} ${R_TEST_USES})
  set_property(GLOBAL PROPERTY HANSE_FLOOR_${name} ${floor})

  set(dir ${CMAKE_SOURCE_DIR}/src/${path})
  file(GLOB all CONFIGURE_DEPENDS ${dir}/*.cc ${dir}/*.c ${dir}/*.S ${dir}/detail/*.cc)
  set(sources ${all})
  list(FILTER sources EXCLUDE REGEX "(_test|_bench|_fuzz)\\.cc$|/main_[a-z_]+\\.cc$|/plugin_[a-z_]+\\.cc$")
  if("${sources}" STREQUAL "")
    set(sources ${CMAKE_SOURCE_DIR}/cmake/pch.cc)  # a room of headers only
  endif()
  add_library(hanse_${name} STATIC ${sources})
  list(TRANSFORM uses PREPEND hanse_ OUTPUT_VARIABLE used_targets)
  target_link_libraries(hanse_${name} PUBLIC ${used_targets} PRIVATE ${R_LIBS})
  hanse_use_pch(hanse_${name} hanse_pch)

  list(TRANSFORM R_TEST_USES PREPEND hanse_ OUTPUT_VARIABLE test_used)
  if(HANSE_TESTS)
    file(GLOB tests CONFIGURE_DEPENDS ${dir}/*_test.cc)
    if(tests)
      add_executable(${name}_test ${tests})
      target_link_libraries(${name}_test PRIVATE hanse_${name} ${test_used} ${R_TEST_LIBS}
        GTest::gtest GTest::gtest_main)
      hanse_use_pch(${name}_test hanse_pch_test)
      if(R_TEST_NEEDS)
        add_dependencies(${name}_test ${R_TEST_NEEDS})
      endif()
      add_test(NAME ${name} COMMAND ${name}_test)
      set_tests_properties(${name} PROPERTIES TIMEOUT 600 WORKING_DIRECTORY ${CMAKE_SOURCE_DIR}
        ENVIRONMENT "HANSE_BIN_DIR=${CMAKE_BINARY_DIR}/bin")
    endif()
  endif()
  if(HANSE_BENCH)
    file(GLOB benches CONFIGURE_DEPENDS ${dir}/*_bench.cc)
    if(benches)
      add_executable(${name}_bench ${benches})
      target_link_libraries(${name}_bench PRIVATE hanse_${name} ${test_used} ${R_LIBS})
<<<<<<< HEAD
      if(R_TEST_NEEDS)
        add_dependencies(${name}_bench ${R_TEST_NEEDS})
      endif()
=======
      foreach(peer IN LISTS R_BENCH_LIBS)  # a peer to measure against, when the machine has it
        if(TARGET ${peer})
          target_link_libraries(${name}_bench PRIVATE ${peer})
          string(MAKE_C_IDENTIFIER "HANSE_HAS_${peer}" define)
          target_compile_definitions(${name}_bench PRIVATE ${define})
        endif()
      endforeach()
>>>>>>> main
    endif()
  endif()
  if(HANSE_FUZZ)
    file(GLOB fuzzers CONFIGURE_DEPENDS ${dir}/*_fuzz.cc)
    foreach(file IN LISTS fuzzers)
      get_filename_component(noun ${file} NAME)
      string(REPLACE "_fuzz.cc" "" noun ${noun})
      add_executable(${name}_fuzz_${noun} ${file})
      target_link_libraries(${name}_fuzz_${noun} PRIVATE hanse_${name} ${test_used} -fsanitize=fuzzer)
    endforeach()
  endif()
endfunction()

# program(NAME SOURCE ROOMS room ... [LIBS target ...]): an executable in build/bin.
function(program name source)
  cmake_parse_arguments(P "" "" "ROOMS;LIBS" ${ARGN})
  add_executable(${name} ${CMAKE_SOURCE_DIR}/src/${source})
  list(TRANSFORM P_ROOMS PREPEND hanse_ OUTPUT_VARIABLE rooms)
  target_link_libraries(${name} PRIVATE ${rooms} ${P_LIBS})
  hanse_use_pch(${name} hanse_pch)
endfunction()

# plugin(NAME SOURCES file ... ROOMS room ... [LIBS target ...] [DEFINES NAME=VALUE ...] [FOLDER name]): a library for
# dlopen in build/lib/hanse (or build/lib/FOLDER: those made for tests) with hidden symbols. Its sources are named
# plugin_*.cc, which keeps them out of the room's own library.
function(plugin name)
  cmake_parse_arguments(P "" "FOLDER" "SOURCES;ROOMS;LIBS;DEFINES" ${ARGN})
  if(NOT P_FOLDER)
    set(P_FOLDER hanse)
  endif()
  list(TRANSFORM P_SOURCES PREPEND ${CMAKE_SOURCE_DIR}/src/)
  add_library(${name} MODULE ${P_SOURCES})
  list(TRANSFORM P_ROOMS PREPEND hanse_ OUTPUT_VARIABLE rooms)
  target_link_libraries(${name} PRIVATE ${rooms} ${P_LIBS})
  # Only the entry is visible: a unique symbol seen from outside would pin the library in memory after dlclose.
  target_link_options(${name} PRIVATE -Wl,--version-script=${CMAKE_SOURCE_DIR}/cmake/plugin.map -Wl,-z,defs)
  if(P_DEFINES)
    target_compile_definitions(${name} PRIVATE ${P_DEFINES})
  else()
    hanse_use_pch(${name} hanse_pch)
  endif()
  set_target_properties(${name} PROPERTIES PREFIX "" LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib/${P_FOLDER})
endfunction()
