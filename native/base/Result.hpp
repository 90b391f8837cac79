/*!
 * \file base/Result.hpp
 * \brief Operating errors as values: a \c Result holds what was asked for, or an \c Error.
 */
#pragma once

#include <string>
#include <utility>
#include <variant>

#include "base/Assert.hpp"

namespace jumbo
{
//---------------------------------------------------------------------------//
//! Codes of the engine's error table that native code meets.
enum class ErrorCode
{
    protocol,  //!< A peer broke the pilot protocol, or a message can't be sent.
    version,  //!< A peer speaks another version of it.
};

inline char const* to_cstring(ErrorCode code)
{
    return code == ErrorCode::version ? "version" : "protocol";
}

//---------------------------------------------------------------------------//
//! An expected, explained failure; the message is for people.
struct Error
{
    ErrorCode code{ErrorCode::protocol};
    std::string message;
};

//---------------------------------------------------------------------------//
/*!
 * Either a value or an error. Ask first, then take:
 * \code
    auto message = wire::decode(payload, Side::engine);
    if (!message) return message.error();
    use(message.value());
 * \endcode
 */
template<class T>
class [[nodiscard]] Result
{
  public:
    Result(T value) : held_{std::move(value)} {}
    Result(Error error) : held_{std::move(error)} {}

    explicit operator bool() const { return held_.index() == 0; }

    T& value()
    {
        JUMBO_EXPECT(*this);
        return *std::get_if<0>(&held_);
    }
    T const& value() const
    {
        JUMBO_EXPECT(*this);
        return *std::get_if<0>(&held_);
    }
    Error const& error() const
    {
        JUMBO_EXPECT(!*this);
        return *std::get_if<1>(&held_);
    }

  private:
    std::variant<T, Error> held_;
};

//! Success without a value.
struct Done
{
};
//---------------------------------------------------------------------------//
}  // namespace jumbo
