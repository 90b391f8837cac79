/*!
 * \file base/Assert.hpp
 * \brief Assertions that stay on, and the check that becomes an error value.
 *
 * - \c JUMBO_EXPECT : precondition; the caller is wrong if it fails.
 * - \c JUMBO_ASSERT : internal invariant in the middle of a function.
 * - \c JUMBO_ENSURE : postcondition; this function is wrong if it fails.
 * - \c JUMBO_VALIDATE : what data, peers or people can get wrong. It \em returns an \c Error from
 *   the enclosing function; nothing is thrown. The message is
 *   <em>problem (why it is one) what would be right</em>.
 *
 * A failed assertion is a programmer's error: it is printed with its place and the process aborts.
 */
#pragma once

#include <cstdio>
#include <cstdlib>

namespace jumbo
{
//---------------------------------------------------------------------------//
[[noreturn]] inline void
assertion_failed(char const* kind, char const* condition, char const* file, int line)
{
    std::fprintf(stderr, "%s:%d: %s failed: %s\n", file, line, kind, condition);
    std::abort();
}
//---------------------------------------------------------------------------//
}  // namespace jumbo

#define JUMBO_CHECK_IMPL_(KIND, COND)                                      \
    do                                                                     \
    {                                                                      \
        if (!(COND))                                                       \
        {                                                                  \
            ::jumbo::assertion_failed(KIND, #COND, __FILE__, __LINE__);    \
        }                                                                  \
    } while (0)

#define JUMBO_EXPECT(COND) JUMBO_CHECK_IMPL_("precondition", COND)
#define JUMBO_ASSERT(COND) JUMBO_CHECK_IMPL_("assertion", COND)
#define JUMBO_ENSURE(COND) JUMBO_CHECK_IMPL_("postcondition", COND)

//! Return an error with this code and message unless the condition holds.
#define JUMBO_VALIDATE(COND, CODE, MESSAGE)         \
    do                                              \
    {                                               \
        if (!(COND))                                \
        {                                           \
            return ::jumbo::Error{CODE, MESSAGE};   \
        }                                           \
    } while (0)
