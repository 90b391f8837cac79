/*!
 * \file pilot/Json.cpp
 */
#include "pilot/Json.hpp"

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace jumbo
{
namespace pilot
{
namespace
{
//---------------------------------------------------------------------------//
constexpr int depth_max = 64;

class Parser
{
  public:
    explicit Parser(std::string const& text) : at_{text.data()}, end_{at_ + text.size()} {}

    std::optional<JsonValue> parse()
    {
        JsonValue value;
        if (!this->value(value, 0))
        {
            return std::nullopt;
        }
        this->blanks();
        return at_ == end_ ? std::optional<JsonValue>{std::move(value)} : std::nullopt;
    }

  private:
    char const* at_;
    char const* end_;

    void blanks()
    {
        while (at_ != end_ && std::strchr(" \t\r\n", *at_) && *at_ != '\0')
        {
            ++at_;
        }
    }

    bool take(char c)
    {
        this->blanks();
        if (at_ == end_ || *at_ != c)
        {
            return false;
        }
        ++at_;
        return true;
    }

    bool word(char const* text)
    {
        auto const size = std::strlen(text);
        if (static_cast<std::size_t>(end_ - at_) < size || std::memcmp(at_, text, size) != 0)
        {
            return false;
        }
        at_ += size;
        return true;
    }

    bool value(JsonValue& out, int depth)
    {
        this->blanks();
        if (at_ == end_ || depth > depth_max)
        {
            return false;
        }
        switch (*at_)
        {
            case '{': return this->object(out, depth);
            case '[': return this->array(out, depth);
            case '"': out.kind = JsonValue::Kind::text; return this->text(out.text);
            case 't': out.kind = JsonValue::Kind::boolean; out.boolean = true; return word("true");
            case 'f': out.kind = JsonValue::Kind::boolean; return word("false");
            case 'n': return word("null");
            default: return this->number(out);
        }
    }

    bool object(JsonValue& out, int depth)
    {
        out.kind = JsonValue::Kind::object;
        ++at_;
        if (this->take('}'))
        {
            return true;
        }
        do
        {
            this->blanks();
            std::string key;
            JsonValue member;
            if (at_ == end_ || *at_ != '"' || !this->text(key) || !this->take(':')
                || !this->value(member, depth + 1))
            {
                return false;
            }
            out.members[key] = std::move(member);
        } while (this->take(','));
        return this->take('}');
    }

    bool array(JsonValue& out, int depth)
    {
        out.kind = JsonValue::Kind::array;
        ++at_;
        if (this->take(']'))
        {
            return true;
        }
        do
        {
            if (!this->value(out.items.emplace_back(), depth + 1))
            {
                return false;
            }
        } while (this->take(','));
        return this->take(']');
    }

    bool number(JsonValue& out)
    {
        std::string digits;
        while (at_ != end_ && (std::strchr("+-.eE", *at_) || (*at_ >= '0' && *at_ <= '9'))
               && *at_ != '\0')
        {
            digits += *at_++;
        }
        auto const first = digits.find_first_not_of('-');
        if (digits.empty() || first > 1 || first == std::string::npos || digits[first] < '0'
            || digits[first] > '9')
        {
            return false;
        }
        char* stop = nullptr;
        out.kind = JsonValue::Kind::number;
        out.number = std::strtod(digits.c_str(), &stop);
        return *stop == '\0' && std::isfinite(out.number);
    }

    bool hex4(unsigned& code)
    {
        if (end_ - at_ < 4)
        {
            return false;
        }
        std::string const digits(at_, 4);
        at_ += 4;
        char* stop = nullptr;
        code = static_cast<unsigned>(std::strtoul(digits.c_str(), &stop, 16));
        return stop == digits.c_str() + 4 && digits[0] != '-' && digits[0] != '+';
    }

    static void put_utf8(std::string& out, unsigned code)
    {
        if (code < 0x80)
        {
            out += static_cast<char>(code);
            return;
        }
        int const extra = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
        unsigned const lead = extra == 1 ? 0xc0 : extra == 2 ? 0xe0 : 0xf0;
        out += static_cast<char>(lead | (code >> (6 * extra)));
        for (int i = extra - 1; i >= 0; --i)
        {
            out += static_cast<char>(0x80 | ((code >> (6 * i)) & 0x3f));
        }
    }

    bool escape(std::string& out)
    {
        if (at_ == end_)
        {
            return false;
        }
        char const c = *at_++;
        static char const from[] = "\"\\/bfnrt";
        static char const to[] = "\"\\/\b\f\n\r\t";
        if (c != 'u')
        {
            auto const* found = c == '\0' ? nullptr : std::strchr(from, c);
            if (!found)
            {
                return false;
            }
            out += to[found - from];
            return true;
        }
        unsigned code = 0;
        if (!this->hex4(code))
        {
            return false;
        }
        if (code >= 0xd800 && code < 0xdc00 && this->word("\\u"))
        {
            unsigned low = 0;
            if (!this->hex4(low) || low < 0xdc00 || low > 0xdfff)
            {
                return false;
            }
            code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        }
        put_utf8(out, code >= 0xd800 && code < 0xe000 ? 0xfffd : code);
        return true;
    }

    bool text(std::string& out)
    {
        ++at_;
        while (at_ != end_ && *at_ != '"')
        {
            if (static_cast<unsigned char>(*at_) < 0x20)
            {
                return false;
            }
            if (*at_ != '\\')
            {
                out += *at_++;
            }
            else if (++at_; !this->escape(out))
            {
                return false;
            }
        }
        return at_ != end_ && *at_++ == '"';
    }
};
//---------------------------------------------------------------------------//
}  // namespace

//---------------------------------------------------------------------------//
JsonValue const& JsonValue::at(std::string const& key) const
{
    static JsonValue const nothing;
    auto const found = members.find(key);
    return found == members.end() ? nothing : found->second;
}

//---------------------------------------------------------------------------//
bool JsonValue::is_whole() const
{
    return kind == Kind::number && std::floor(number) == number
           && std::fabs(number) <= 9007199254740991.0;
}

//---------------------------------------------------------------------------//
std::optional<JsonValue> parse_json(std::string const& text)
{
    return Parser{text}.parse();
}

//---------------------------------------------------------------------------//
std::string json_quote(std::string const& text)
{
    std::string out = "\"";
    for (char const c : text)
    {
        if (c == '"' || c == '\\')
        {
            out += '\\';
            out += c;
        }
        else if (static_cast<unsigned char>(c) < 0x20)
        {
            char code[8];
            std::snprintf(code, sizeof code, "\\u%04x", static_cast<unsigned>(c));
            out += code;
        }
        else
        {
            out += c;
        }
    }
    return out + '"';
}

//---------------------------------------------------------------------------//
std::string json_number(double value)
{
    char digits[40];
    for (int precision = 15; precision <= 17; ++precision)
    {
        std::snprintf(digits, sizeof digits, "%.*g", precision, value);
        if (std::strtod(digits, nullptr) == value)
        {
            break;
        }
    }
    return digits;
}
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
