/*!
 * \file wire/test/Json.hpp
 * \brief A reader for the vector files: all of JSON, numbers as double. For tests only.
 */
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace jumbo
{
namespace test
{
//---------------------------------------------------------------------------//
struct Json
{
    enum class Kind
    {
        null,
        boolean,
        number,
        string,
        array,
        object,
    };

    Kind kind{Kind::null};
    bool boolean{false};
    double number{0};
    std::string string;
    std::vector<Json> array;
    std::vector<std::pair<std::string, Json>> object;

    //! Member of an object; aborts if there is none: a vector file is broken then.
    Json const& operator[](char const* key) const;
    bool has(char const* key) const;
};

//! Abort with a message if the text is no JSON.
Json parse_json(std::string const& text);
Json read_json(std::string const& path);
//---------------------------------------------------------------------------//
}  // namespace test
}  // namespace jumbo
