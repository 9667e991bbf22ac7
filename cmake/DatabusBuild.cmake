# Compiler settings, packages, and the three functions that every area's CMakeLists.txt uses.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

option(DATABUS_TESTS "Build the tests" ON)
set(DATABUS_SANITIZE "" CACHE STRING "Sanitizers, as for -fsanitize=")

find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()

add_compile_options(-Wall -Wextra -Wshadow -Wnon-virtual-dtor -Werror=return-type -Werror=switch)
if(DATABUS_SANITIZE)
  add_compile_options(-fsanitize=${DATABUS_SANITIZE} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${DATABUS_SANITIZE})
endif()

find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(nlohmann_json REQUIRED)
pkg_check_modules(THRIFT REQUIRED IMPORTED_TARGET thrift)
pkg_check_modules(PUGIXML REQUIRED IMPORTED_TARGET pugixml)
pkg_check_modules(ISAL REQUIRED IMPORTED_TARGET libisal)
if(DATABUS_TESTS)
  enable_testing()
  find_package(GTest REQUIRED)
  include(GoogleTest)
endif()

# databus_area(NAME SOURCES a.cc ... LINKS lib ...): the library databus_NAME of this folder.
function(databus_area name)
  cmake_parse_arguments(AREA "" "" "SOURCES;LINKS" ${ARGN})
  add_library(databus_${name} STATIC ${AREA_SOURCES})
  target_include_directories(databus_${name} PUBLIC ${CMAKE_SOURCE_DIR}/src)
  target_link_libraries(databus_${name} PUBLIC ${AREA_LINKS})
endfunction()

# databus_test(NAME SOURCES a_test.cc ... LINKS lib ...): one test program, each case a ctest test.
function(databus_test name)
  cmake_parse_arguments(TEST "" "TIMEOUT" "SOURCES;LINKS" ${ARGN})
  if(NOT DATABUS_TESTS)
    return()
  endif()
  if(NOT TEST_TIMEOUT)
    set(TEST_TIMEOUT 300)
  endif()
  add_executable(${name} ${TEST_SOURCES})
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR})
  target_link_libraries(${name} PRIVATE ${TEST_LINKS} GTest::gmock_main GTest::gtest)
  # The whole program is one ctest test: starting a process per case costs more than the cases.
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES TIMEOUT ${TEST_TIMEOUT})
endfunction()
