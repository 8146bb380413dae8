# spate_test(NAME layer SOURCES a_test.cpp ... LIBS spate_x ...)
#   One doctest executable for a layer: spate_tests_<layer>, registered as the ctest <layer>.
# spate_fuzz(NAME target SOURCES x_fuzz.cpp LIBS spate_x CORPUS folder)
#   With SPATE_FUZZ: a libFuzzer program fuzz_<target>, which the ctest fuzz.<target> runs over its corpus and for a
#   few seconds more. Without: nothing, since the corpus is also read by the layer's own tests.
find_package(doctest REQUIRED)

function(spate_test)
  cmake_parse_arguments(arg "" "NAME" "SOURCES;LIBS" ${ARGN})
  set(target spate_tests_${arg_NAME})
  add_executable(${target} ${PROJECT_SOURCE_DIR}/tests/main.cpp ${arg_SOURCES})
  target_link_libraries(${target} PRIVATE ${arg_LIBS} doctest::doctest)
  target_compile_definitions(${target} PRIVATE SPATE_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  add_test(NAME ${arg_NAME} COMMAND ${target})
endfunction()

set(SPATE_FUZZ_SECONDS 5 CACHE STRING "How long each fuzz target runs as a test")
function(spate_fuzz)
  if(NOT SPATE_FUZZ)
    return()
  endif()
  cmake_parse_arguments(arg "" "NAME;CORPUS" "SOURCES;LIBS" ${ARGN})
  set(target fuzz_${arg_NAME})
  add_executable(${target} ${arg_SOURCES})
  target_link_libraries(${target} PRIVATE ${arg_LIBS})
  target_link_options(${target} PRIVATE -fsanitize=fuzzer)
  set(found ${CMAKE_BINARY_DIR}/corpus/${arg_NAME}) # what the fuzzer finds stays out of the checkout
  file(MAKE_DIRECTORY ${found})
  add_test(NAME fuzz.${arg_NAME} COMMAND ${target} -max_total_time=${SPATE_FUZZ_SECONDS} -max_len=65536
                                         ${found} ${PROJECT_SOURCE_DIR}/${arg_CORPUS})
endfunction()
