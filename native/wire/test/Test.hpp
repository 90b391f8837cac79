/*!
 * \file wire/test/Test.hpp
 * \brief GoogleTest, or a stand-in of the few macros that our tests use where it isn't installed.
 */
#pragma once

#if JUMBO_USE_GTEST
#    include <gtest/gtest.h>
#else
#    include <iostream>
#    include <vector>

namespace jumbo
{
namespace test
{
//---------------------------------------------------------------------------//
struct Case
{
    char const* name;
    void (*run)();
};

inline std::vector<Case>& cases()
{
    static std::vector<Case> all;
    return all;
}

inline int& failures()
{
    static int count = 0;
    return count;
}

struct Registration
{
    Registration(char const* name, void (*run)()) { cases().push_back({name, run}); }
};

//! Counts a failure and swallows what a test says about it.
struct Complaint
{
    explicit Complaint(bool holds, char const* what, char const* file, int line) : silent{holds}
    {
        if (!holds)
        {
            ++failures();
            std::cerr << file << ':' << line << ": failed: " << what << ' ';
        }
    }
    ~Complaint()
    {
        if (!silent)
        {
            std::cerr << std::endl;
        }
    }
    template<class T>
    Complaint& operator<<(T const& value)
    {
        if (!silent)
        {
            std::cerr << value;
        }
        return *this;
    }
    bool silent;
};
//---------------------------------------------------------------------------//
}  // namespace test
}  // namespace jumbo

#    define TEST(GROUP, NAME)                                                       \
        static void GROUP##_##NAME();                                               \
        static ::jumbo::test::Registration const register_##GROUP##_##NAME{         \
            #GROUP "." #NAME, &GROUP##_##NAME};                                     \
        static void GROUP##_##NAME()
#    define EXPECT_TRUE(X) \
        ::jumbo::test::Complaint { static_cast<bool>(X), #X, __FILE__, __LINE__ }
#    define EXPECT_FALSE(X) EXPECT_TRUE(!static_cast<bool>(X))
#    define EXPECT_EQ(A, B) EXPECT_TRUE((A) == (B))
#    define ASSERT_TRUE(X)       \
        if (!static_cast<bool>(X)) \
        return void(EXPECT_TRUE(X))

int main()
{
    for (auto const& one : ::jumbo::test::cases())
    {
        int const before = ::jumbo::test::failures();
        one.run();
        std::cout << (::jumbo::test::failures() == before ? "ok      " : "FAILED  ") << one.name
                  << '\n';
    }
    return ::jumbo::test::failures() == 0 ? 0 : 1;
}
#endif
