/*!
 * \file wire/test/Json.cpp
 */
#include "wire/test/Json.hpp"

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>

#include "base/Assert.hpp"

namespace jumbo
{
namespace test
{
namespace
{
//---------------------------------------------------------------------------//
class Parser
{
  public:
    explicit Parser(std::string const& text) : p_{text.c_str()} {}

    Json document()
    {
        auto result = this->value();
        this->space();
        JUMBO_EXPECT(*p_ == '\0');
        return result;
    }

  private:
    char const* p_;

    void space() { p_ += std::strspn(p_, " \t\r\n"); }

    bool take(char c)
    {
        this->space();
        if (*p_ != c)
        {
            return false;
        }
        ++p_;
        return true;
    }

    void must(char const* word)
    {
        auto const size = std::strlen(word);
        JUMBO_EXPECT(std::strncmp(p_, word, size) == 0);
        p_ += size;
    }

    Json value()
    {
        this->space();
        Json result;
        switch (*p_)
        {
            case '{':
                this->members(result);
                break;
            case '[':
                this->items(result);
                break;
            case '"':
                result.kind = Json::Kind::string;
                result.string = this->text();
                break;
            case 't':
            case 'f':
                result.kind = Json::Kind::boolean;
                result.boolean = *p_ == 't';
                this->must(result.boolean ? "true" : "false");
                break;
            case 'n':
                this->must("null");
                break;
            default:
                result.kind = Json::Kind::number;
                result.number = this->number();
        }
        return result;
    }

    void members(Json& result)
    {
        result.kind = Json::Kind::object;
        this->must("{");
        if (this->take('}'))
        {
            return;
        }
        do
        {
            this->space();
            auto key = this->text();
            JUMBO_EXPECT(this->take(':'));
            result.object.emplace_back(std::move(key), this->value());
        } while (this->take(','));
        JUMBO_EXPECT(this->take('}'));
    }

    void items(Json& result)
    {
        result.kind = Json::Kind::array;
        this->must("[");
        if (this->take(']'))
        {
            return;
        }
        do
        {
            result.array.push_back(this->value());
        } while (this->take(','));
        JUMBO_EXPECT(this->take(']'));
    }

    double number()
    {
        char* end = nullptr;
        auto const result = std::strtod(p_, &end);
        JUMBO_EXPECT(end != p_);
        p_ = end;
        return result;
    }

    std::string text()
    {
        this->must("\"");
        std::string result;
        while (*p_ != '"')
        {
            JUMBO_EXPECT(*p_ != '\0');
            if (*p_ == '\\')
            {
                this->escape(result);
            }
            else
            {
                result.push_back(*p_++);
            }
        }
        ++p_;
        return result;
    }

    void escape(std::string& result)
    {
        static char const names[] = "\"\\/bfnrt";
        static char const values[] = "\"\\/\b\f\n\r\t";
        this->must("\\");
        if (*p_ == 'u')
        {
            auto code = this->unit();
            if (code >= 0xd800 && code < 0xdc00)
            {
                this->must("\\");
                code = 0x10000 + ((code - 0xd800) << 10) + (this->unit() - 0xdc00);
            }
            append(result, code);
            return;
        }
        auto const* found = std::strchr(names, *p_++);
        JUMBO_EXPECT(found && *found != '\0');
        result.push_back(values[found - names]);
    }

    unsigned long unit()
    {
        this->must("u");
        std::string const digits(p_, strnlen(p_, 4));
        JUMBO_EXPECT(digits.size() == 4);
        p_ += 4;
        return std::strtoul(digits.c_str(), nullptr, 16);
    }

    static void append(std::string& text, unsigned long code)
    {
        auto const add = [&text](unsigned long byte) { text.push_back(static_cast<char>(byte)); };
        if (code < 0x80)
        {
            return add(code);
        }
        if (code < 0x800)
        {
            add(0xc0 | (code >> 6));
        }
        else
        {
            if (code < 0x10000)
            {
                add(0xe0 | (code >> 12));
            }
            else
            {
                add(0xf0 | (code >> 18));
                add(0x80 | ((code >> 12) & 0x3f));
            }
            add(0x80 | ((code >> 6) & 0x3f));
        }
        add(0x80 | (code & 0x3f));
    }
};
//---------------------------------------------------------------------------//
}  // namespace

//---------------------------------------------------------------------------//
Json const& Json::operator[](char const* key) const
{
    for (auto const& member : object)
    {
        if (member.first == key)
        {
            return member.second;
        }
    }
    std::fprintf(stderr, "no member \"%s\" in a vector\n", key);
    std::abort();
}

//---------------------------------------------------------------------------//
bool Json::has(char const* key) const
{
    for (auto const& member : object)
    {
        if (member.first == key)
        {
            return true;
        }
    }
    return false;
}

//---------------------------------------------------------------------------//
Json parse_json(std::string const& text)
{
    return Parser{text}.document();
}

//---------------------------------------------------------------------------//
Json read_json(std::string const& path)
{
    std::ifstream stream{path, std::ios::binary};
    JUMBO_EXPECT(stream.good());
    std::string const text{std::istreambuf_iterator<char>{stream}, {}};
    return parse_json(text);
}
//---------------------------------------------------------------------------//
}  // namespace test
}  // namespace jumbo
