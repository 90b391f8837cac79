/*!
 * \file pilot/Json.hpp
 * \brief Just enough JSON for access files and the lines of stream payloads.
 */
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace jumbo
{
namespace pilot
{
//---------------------------------------------------------------------------//
struct JsonValue
{
    enum class Kind
    {
        null,
        boolean,
        number,
        text,
        array,
        object,
    };

    Kind kind{Kind::null};
    bool boolean{false};
    double number{0};
    std::string text;
    std::vector<JsonValue> items;
    std::map<std::string, JsonValue> members;

    //! Member of an object; null (of kind null) where there is none.
    JsonValue const& at(std::string const& key) const;
    bool has(std::string const& key) const { return members.count(key) != 0; }
    bool is(Kind k) const { return kind == k; }
    //! Whether it is a number without a fraction that a double holds exactly.
    bool is_whole() const;
};

//! Parse one value (RFC 8259, at most 64 deep); nothing where the text is no JSON.
std::optional<JsonValue> parse_json(std::string const& text);

//! Text as a JSON string, quotes included.
std::string json_quote(std::string const& text);

//! Shortest decimal that reads back as the same number.
std::string json_number(double value);
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
