# spate_embed(TARGET spate_x NAME assets NAMESPACE spate::x::assets FILES page.html theme.css ...)
#   Compiles files into a target. Its sources include "embedded/<NAME>.hpp", which declares in <NAMESPACE>
#     extern const std::string_view page_html;   one for each file: what is neither letter nor digit becomes '_'
#     extern const std::array<File, N> files;    all in the order of FILES, each with its name ("page.html") and its text
#   They are constants of the program, so that other constants may be made of them before main(). Files are relative to
#   the folder of the calling CMakeLists.txt; a change of one is seen by the next build.
#
# The same file, run as a script (cmake -DNAME=.. -DNAMESPACE=.. -DHEADER=.. -DSOURCE=.. -DFILES=a|b -P), writes the two.

function(spate_embed)
  cmake_parse_arguments(arg "" "TARGET;NAME;NAMESPACE" "FILES" ${ARGN})
  if(NOT arg_TARGET OR NOT arg_NAME OR NOT arg_NAMESPACE OR NOT arg_FILES)
    message(FATAL_ERROR "spate_embed needs TARGET, NAME, NAMESPACE and FILES")
  endif()
  set(folder ${CMAKE_CURRENT_BINARY_DIR}/embedded)
  set(files)
  foreach(file IN LISTS arg_FILES)
    cmake_path(ABSOLUTE_PATH file BASE_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR} NORMALIZE)
    list(APPEND files ${file})
  endforeach()
  list(JOIN files "|" joined)
  set(script ${CMAKE_CURRENT_FUNCTION_LIST_FILE})
  add_custom_command(
    OUTPUT ${folder}/${arg_NAME}.hpp ${folder}/${arg_NAME}.cpp
    COMMAND ${CMAKE_COMMAND} -DNAME=${arg_NAME} -DNAMESPACE=${arg_NAMESPACE} -DHEADER=${folder}/${arg_NAME}.hpp
            -DSOURCE=${folder}/${arg_NAME}.cpp "-DFILES=${joined}" -P ${script}
    DEPENDS ${files} ${script}
    COMMENT "Embedding ${arg_NAME}"
    VERBATIM)
  set_source_files_properties(${folder}/${arg_NAME}.cpp PROPERTIES COMPILE_OPTIONS -Wno-overlength-strings)
  target_sources(${arg_TARGET} PRIVATE ${folder}/${arg_NAME}.hpp ${folder}/${arg_NAME}.cpp)
  target_include_directories(${arg_TARGET} PRIVATE ${CMAKE_CURRENT_BINARY_DIR})
endfunction()

if(NOT CMAKE_SCRIPT_MODE_FILE STREQUAL CMAKE_CURRENT_LIST_FILE)
  return()
endif()

cmake_minimum_required(VERSION 3.25)
string(REPLACE "|" ";" FILES "${FILES}")
list(LENGTH FILES count)
string(REPEAT "." 96 line) # 24 bytes
set(declarations)
set(definitions)
set(table)
set(names)
foreach(file IN LISTS FILES)
  cmake_path(GET file FILENAME file_name)
  string(REGEX REPLACE "[^A-Za-z0-9]" "_" name "${file_name}")
  if(name IN_LIST names OR name STREQUAL "files" OR name MATCHES "^[0-9]")
    message(FATAL_ERROR "${file}: there is no name left for it in ${NAMESPACE}")
  endif()
  list(APPEND names ${name})
  file(READ ${file} hex HEX)
  string(LENGTH "${hex}" digits)
  math(EXPR bytes "${digits} / 2")
  # An escape ends at the next backslash, so none swallows the digits behind it.
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "\\\\x\\1" text "${hex}")
  string(REGEX REPLACE "(${line})" "\\1\"\n    \"" text "${text}")
  string(APPEND declarations "extern const std::string_view ${name};\n")
  string(APPEND definitions "constexpr std::string_view ${name}{\n    \"${text}\", ${bytes}};\n")
  string(APPEND table "    File{\"${file_name}\", ${name}},\n")
endforeach()

file(WRITE ${HEADER} "// Written by cmake/embed.cmake.
#pragma once

#include <array>
#include <string_view>

namespace ${NAMESPACE} {

struct File {
  std::string_view name, text;
};

${declarations}
extern const std::array<File, ${count}> files;

} // namespace ${NAMESPACE}
")
file(WRITE ${SOURCE} "// Written by cmake/embed.cmake.
#include \"embedded/${NAME}.hpp\"

namespace ${NAMESPACE} {

${definitions}
constexpr std::array<File, ${count}> files{{
${table}}};

} // namespace ${NAMESPACE}
")
