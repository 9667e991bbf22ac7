# Compiler settings, packages, and the functions that every area's CMakeLists.txt uses.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

option(DATABUS_TESTS "Build the tests" ON)
option(DATABUS_SIM "Build product code against the simulator's seams (preset `sim`)" OFF)
option(DATABUS_FUZZ "Instrument everything for libFuzzer and build its targets (clang only)" OFF)
set(DATABUS_SANITIZE "" CACHE STRING "Sanitizers, as for -fsanitize=")

# Precompiled headers are cached only when ccache may overlook time macros and unused definitions.
find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER
    ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros ${CCACHE})
endif()

add_compile_options(-Wall -Wextra -Wshadow -Wnon-virtual-dtor -Werror=return-type -Werror=switch)
# GCC 12 sees overlaps and overflows in std::string that are not there (its bugs 105329, 105651).
add_compile_options($<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>
                    $<$<CXX_COMPILER_ID:GNU>:-Wno-stringop-overflow>)
if(DATABUS_SANITIZE)
  add_compile_options(-fsanitize=${DATABUS_SANITIZE} -fno-omit-frame-pointer
                      -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${DATABUS_SANITIZE})
endif()
if(DATABUS_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
if(DATABUS_SIM)
  add_compile_definitions(DATABUS_SIM=1)
  find_package(Boost 1.81 REQUIRED COMPONENTS context)
  enable_testing()
endif()

find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(nlohmann_json REQUIRED)
pkg_check_modules(THRIFT REQUIRED IMPORTED_TARGET thrift)
pkg_check_modules(PUGIXML REQUIRED IMPORTED_TARGET pugixml)
pkg_check_modules(ISAL REQUIRED IMPORTED_TARGET libisal)
pkg_check_modules(PROTOBUF REQUIRED IMPORTED_TARGET protobuf-lite)
# ZooKeeper's client library comes without a description of itself.
find_path(ZOOKEEPER_INCLUDE zookeeper/zookeeper.h REQUIRED)
find_library(ZOOKEEPER_LIBRARY zookeeper_mt REQUIRED)
add_library(ZooKeeper::mt INTERFACE IMPORTED)
target_include_directories(ZooKeeper::mt INTERFACE ${ZOOKEEPER_INCLUDE})
target_link_libraries(ZooKeeper::mt INTERFACE ${ZOOKEEPER_LIBRARY} Threads::Threads)
if(DATABUS_TESTS)
  enable_testing()
  find_package(GTest REQUIRED)
  find_package(rapidcheck REQUIRED)
endif()

# Precompiled headers. Each set is compiled once, by a library of nothing, and reused by all. They
# only save time: the presets clang-tidy, asan and tsan do without, so that a missing include shows.
function(databus_precompile name)
  cmake_parse_arguments(PCH "" "" "HEADERS;LINKS" ${ARGN})
  file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/${name}.cc CONTENT "// Carries ${name}.\n")
  add_library(${name} STATIC EXCLUDE_FROM_ALL ${CMAKE_BINARY_DIR}/${name}.cc)
  target_link_libraries(${name} PUBLIC ${PCH_LINKS})
  target_precompile_headers(${name} PRIVATE ${PCH_HEADERS})
endfunction()

set(DATABUS_COMMON_HEADERS
  <algorithm> <array> <atomic> <chrono> <condition_variable> <cstdint> <cstring> <deque>
  <functional> <map> <memory> <mutex> <optional> <set> <span> <sstream> <string> <string_view>
  <thread> <tuple> <unordered_map> <unordered_set> <utility> <variant> <vector> <fmt/format.h>)
databus_precompile(databus_pch HEADERS ${DATABUS_COMMON_HEADERS} LINKS Threads::Threads fmt::fmt)
if(DATABUS_TESTS)
  databus_precompile(databus_test_pch
    HEADERS ${DATABUS_COMMON_HEADERS} <gmock/gmock.h> <gtest/gtest.h>
    LINKS Threads::Threads fmt::fmt GTest::gmock GTest::gtest)
endif()

# databus_area(NAME SOURCES a.cc ... LINKS lib ...): the library databus_NAME of this folder.
function(databus_area name)
  cmake_parse_arguments(AREA "" "" "SOURCES;LINKS" ${ARGN})
  add_library(databus_${name} STATIC ${AREA_SOURCES})
  target_include_directories(databus_${name} PUBLIC ${CMAKE_SOURCE_DIR}/src)
  target_link_libraries(databus_${name} PUBLIC ${AREA_LINKS})
  target_precompile_headers(databus_${name} REUSE_FROM databus_pch)
endfunction()

# databus_test(NAME SOURCES a_test.cc ... LINKS lib ... [TIMEOUT seconds] [LABELS nightly]): one
# test program. With the label `nightly` only `./run nightly` runs it.
function(databus_test name)
  cmake_parse_arguments(TEST "" "TIMEOUT;LABELS" "SOURCES;LINKS" ${ARGN})
  if(NOT DATABUS_TESTS)
    return()
  endif()
  if(NOT TEST_TIMEOUT)
    set(TEST_TIMEOUT 300)
  endif()
  add_executable(${name} ${TEST_SOURCES})
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR})
  target_link_libraries(${name} PRIVATE ${TEST_LINKS} GTest::gmock_main GTest::gtest)
  target_precompile_headers(${name} REUSE_FROM databus_test_pch)
  # The whole program is one ctest test: starting a process per case costs more than the cases. A
  # program in which no test ran proves nothing and fails.
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES
    TIMEOUT ${TEST_TIMEOUT} LABELS "${TEST_LABELS}"
    FAIL_REGULAR_EXPRESSION "\\[  PASSED  \\] 0 tests")
endfunction()
