/*!
 * \file wire/Reader.cpp
 */
#include "wire/Reader.hpp"

#include <cmath>
#include <cstring>

#include "wire/Utf8.hpp"

namespace jumbo
{
namespace wire
{
namespace
{
//---------------------------------------------------------------------------//
constexpr char smallest_form[] = "the smallest form";
constexpr char whole_frame[] = "the whole frame";
//---------------------------------------------------------------------------//
}  // namespace

//---------------------------------------------------------------------------//
void Reader::fail(char const* what, std::string const& why, char const* right)
{
    if (failed_)
    {
        return;
    }
    failed_ = true;
    error_ = {ErrorCode::protocol,
              std::string{"bad frame: "} + what + " at byte " + std::to_string(at_) + " of "
                  + std::to_string(end_) + ' ' + why
                  + " (the protocol fixes every position) send " + right
                  + ", see docs/reference/protocol.md"};
}

//---------------------------------------------------------------------------//
void Reader::fail_version(std::uint64_t version, Side peer)
{
    if (failed_)
    {
        return;
    }
    failed_ = true;
    error_ = {ErrorCode::version,
              std::string{peer == Side::pilot ? "the pilot" : "the engine"}
                  + " speaks protocol version " + std::to_string(version)
                  + " (this side speaks " + std::to_string(protocol_version)
                  + ") use the same release of Jumbo on both sides"};
}

//---------------------------------------------------------------------------//
bool Reader::take_head(std::uint8_t& head, char const* what)
{
    if (failed_)
    {
        return false;
    }
    if (at_ >= end_)
    {
        this->fail(what, "is missing", whole_frame);
        return false;
    }
    head = data_[at_++];
    return true;
}

//---------------------------------------------------------------------------//
bool Reader::fits(std::size_t bytes, char const* what)
{
    if (bytes > this->left())
    {
        this->fail(what, "is cut short", whole_frame);
    }
    return !failed_;
}

//---------------------------------------------------------------------------//
//! Read a number whose bytes are known to be there.
std::uint64_t Reader::big_endian(int bytes)
{
    JUMBO_EXPECT(static_cast<std::size_t>(bytes) <= this->left());
    std::uint64_t value = 0;
    for (int i = 0; i < bytes; ++i)
    {
        value = (value << 8) | data_[at_++];
    }
    return value;
}

//---------------------------------------------------------------------------//
//! An 8-, 16- or 32-bit size (width 0, 1, 2) in no longer form than needed.
std::size_t Reader::size(int width, char const* what)
{
    int const bytes = 1 << width;
    if (!this->fits(static_cast<std::size_t>(bytes), what))
    {
        return 0;
    }
    auto const size = this->big_endian(bytes);
    if ((width == 1 && size < 0x100) || (width == 2 && size < 0x10000))
    {
        this->fail(what, "has a longer header than needed", smallest_form);
        return 0;
    }
    return static_cast<std::size_t>(size);
}

//---------------------------------------------------------------------------//
std::size_t Reader::array(std::size_t max, char const* what)
{
    std::uint8_t head;
    if (!this->take_head(head, what))
    {
        return 0;
    }
    std::size_t length = 0;
    if ((head & 0xf0) == 0x90)
    {
        length = head & 15;
    }
    else if (head == 0xdc || head == 0xdd)
    {
        int const bytes = head == 0xdc ? 2 : 4;
        if (!this->fits(static_cast<std::size_t>(bytes), what))
        {
            return 0;
        }
        length = static_cast<std::size_t>(this->big_endian(bytes));
        if (length < (head == 0xdc ? 16u : 0x10000u))
        {
            this->fail(what, "has a longer header than needed", smallest_form);
        }
    }
    else
    {
        this->fail(what, "is no array", "an array");
    }
    if (length > max)
    {
        this->fail(what, "has " + std::to_string(length) + " items", "fewer");
    }
    // Each item takes a byte at least.
    return this->fits(length, what) ? length : 0;
}

//---------------------------------------------------------------------------//
void Reader::tuple(std::size_t length, char const* what)
{
    if (this->array(length, what) != length)
    {
        this->fail(what, "has too few items", "all of them");
    }
}

//---------------------------------------------------------------------------//
std::uint64_t Reader::unsigned_int(std::uint64_t min, std::uint64_t max, char const* what)
{
    std::uint8_t head;
    if (!this->take_head(head, what))
    {
        return min;
    }
    auto const value = head < 0x80 ? head : this->long_unsigned(head, what);
    if (value < min || value > max)
    {
        this->fail(what, "is " + std::to_string(value), "a value in its range");
    }
    return failed_ ? min : value;
}

//---------------------------------------------------------------------------//
std::uint64_t Reader::long_unsigned(std::uint8_t head, char const* what)
{
    if (head == 0xcb)
    {
        auto const value = this->float64(what);
        // Written so that NaN is refused; 2^32 .. 2^53-1 converts exactly.
        if (!(value > static_cast<double>(u32_max) && value <= static_cast<double>(u53_max)
              && value == std::floor(value)))
        {
            this->fail(what, "is a float64 of no integer in 2^32 .. 2^53-1", smallest_form);
            return 0;
        }
        return static_cast<std::uint64_t>(value);
    }
    if (head < 0xcc || head > 0xce)
    {
        this->fail(what, "is no unsigned integer", "one in its smallest form");
        return 0;
    }
    int const bytes = 1 << (head - 0xcc);
    if (!this->fits(static_cast<std::size_t>(bytes), what))
    {
        return 0;
    }
    auto const value = this->big_endian(bytes);
    std::uint64_t const least = bytes == 1 ? 0x80 : bytes == 2 ? 0x100 : 0x10000;
    if (value < least)
    {
        this->fail(what, "is in a form longer than needed", smallest_form);
    }
    return value;
}

//---------------------------------------------------------------------------//
std::uint32_t Reader::u32(char const* what)
{
    return static_cast<std::uint32_t>(this->unsigned_int(0, u32_max, what));
}

//---------------------------------------------------------------------------//
double Reader::float64(char const* what)
{
    if (!this->fits(8, what))
    {
        return 0;
    }
    auto const bits = this->big_endian(8);
    double value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

//---------------------------------------------------------------------------//
double Reader::real(char const* what)
{
    auto const head = this->peek();
    if (head == 0xff)
    {
        ++at_;
        return -1;
    }
    if (head != 0xcb)
    {
        return static_cast<double>(this->unsigned_int(0, u32_max, what));
    }
    ++at_;
    auto const value = this->float64(what);
    if (!(std::isfinite(value) && value >= 0))
    {
        this->fail(what, "is no number that is allowed", "a finite one >= 0, or -1 as an integer");
    }
    else if (value <= static_cast<double>(u32_max) && value == std::floor(value))
    {
        this->fail(what, "is a float64 that holds a small integer", "the integer form");
    }
    return failed_ ? 0 : value;
}

//---------------------------------------------------------------------------//
std::int64_t Reader::whole_or_minus_one(char const* what)
{
    auto const value = this->real(what);
    if (!(value <= static_cast<double>(u53_max) && value == std::floor(value)))
    {
        this->fail(what, "is no whole number below 2^53", "one, or -1");
        return -1;
    }
    return static_cast<std::int64_t>(value);
}

//---------------------------------------------------------------------------//
bool Reader::flag(char const* what)
{
    std::uint8_t head;
    if (!this->take_head(head, what))
    {
        return false;
    }
    if (head != 0xc2 && head != 0xc3)
    {
        this->fail(what, "is no boolean", "true or false");
    }
    return head == 0xc3;
}

//---------------------------------------------------------------------------//
std::string Reader::string(char const* what, std::size_t bytes_max)
{
    std::uint8_t head;
    if (!this->take_head(head, what))
    {
        return {};
    }
    std::size_t size = 0;
    if ((head & 0xe0) == 0xa0)
    {
        size = head & 31;
    }
    else if (head >= 0xd9 && head <= 0xdb)
    {
        size = this->size(head - 0xd9, what);
        if (size < 32)
        {
            this->fail(what, "has a longer header than needed", smallest_form);
        }
    }
    else
    {
        this->fail(what, "is no string", "a string");
    }
    if (size > bytes_max)
    {
        this->fail(what, "has " + std::to_string(size) + " bytes", "fewer");
    }
    if (!this->fits(size, what))
    {
        return {};
    }
    auto const* text = reinterpret_cast<char const*>(data_ + at_);
    if (!is_utf8(text, size))
    {
        this->fail(what, "is not valid UTF-8", "UTF-8 text");
        return {};
    }
    at_ += size;
    return {text, size};
}

//---------------------------------------------------------------------------//
std::vector<std::string> Reader::strings(char const* what)
{
    auto const length = this->array(array_items_max, what);
    std::vector<std::string> values;
    for (std::size_t i = 0; i < length && !failed_; ++i)
    {
        values.push_back(this->string(what));
    }
    return values;
}

//---------------------------------------------------------------------------//
BytesView Reader::bin_view(std::size_t bytes_max, char const* what)
{
    std::uint8_t head;
    if (!this->take_head(head, what))
    {
        return {};
    }
    if (head < 0xc4 || head > 0xc6)
    {
        this->fail(what, "is no bin", "a bin");
        return {};
    }
    auto const size = this->size(head - 0xc4, what);
    if (size > bytes_max)
    {
        this->fail(what, "has " + std::to_string(size) + " bytes", "fewer");
    }
    if (!this->fits(size, what))
    {
        return {};
    }
    BytesView const view{data_ + at_, size};
    at_ += size;
    return view;
}

//---------------------------------------------------------------------------//
Blob Reader::bin(std::size_t bytes_max, char const* what)
{
    auto const view = this->bin_view(bytes_max, what);
    return Blob(view.data, view.data + view.size);
}

//---------------------------------------------------------------------------//
std::uint8_t const* Reader::column(std::size_t size, char const* what)
{
    auto const view = this->bin_view(size, what);
    if (view.size != size)
    {
        this->fail(what, "has " + std::to_string(view.size) + " bytes", "as many as its spans need");
        return nullptr;
    }
    return view.data;
}

//---------------------------------------------------------------------------//
void Reader::count_spans(std::size_t spans)
{
    spans_ += spans;
    if (spans_ > spans_per_message_max)
    {
        this->fail("message", "has " + std::to_string(spans_) + " spans", "at most 65536");
    }
}

//---------------------------------------------------------------------------//
void Reader::finish()
{
    if (!failed_ && at_ != end_)
    {
        this->fail("the message", "is followed by more bytes", "one message in a frame");
    }
}
//---------------------------------------------------------------------------//
}  // namespace wire
}  // namespace jumbo
