//! \file pilot/test/Book.test.cpp
#include "pilot/Book.hpp"

#include "Test.hpp"

namespace jumbo
{
namespace test
{
namespace
{
using namespace pilot;
using State = Book::State;

HeldSpan span_of(std::uint64_t first, std::uint32_t count)
{
    return {wire::TaskId{1}, wire::Epoch{1}, 7, first, count, 1, 1};
}

//! Ranges 0 .. 9 with rank 1, of which 2 has started and 3 is reported; 10 .. 19 with rank 2.
Book busy_book()
{
    Book book;
    book.assign(1, span_of(0, 10));
    book.assign(2, span_of(10, 10));
    book.mark(1, span_of(2, 1), State::started);
    book.mark(1, span_of(3, 1), State::reported);
    return book;
}

std::uint64_t ranges(std::vector<HeldSpan> const& spans)
{
    std::uint64_t total = 0;
    for (auto const& span : spans)
    {
        total += span.count;
    }
    return total;
}
}  // namespace

//---------------------------------------------------------------------------//
TEST(Book, the_bag_is_shared_out_in_the_order_of_grants)
{
    Book book;
    book.add({span_of(0, 3), span_of(100, 5)});
    auto const taken = book.take(5);
    ASSERT_TRUE(taken.size() == 2);
    EXPECT_EQ(taken[1].first, 100u);
    EXPECT_EQ(taken[1].count, 2u);
    EXPECT_EQ(book.bag_ranges(), 3u);
    book.put_back({span_of(50, 1)});
    EXPECT_EQ(book.take(1)[0].first, 50u);
    EXPECT_EQ(ranges(book.take_from_bag(span_of(103, 1))), 1u);
    EXPECT_EQ(ranges(book.take_bag()), 2u);
    EXPECT_TRUE(book.empty());
}

//---------------------------------------------------------------------------//
TEST(Book, a_dead_rank_leaves_what_it_had_started_and_what_it_had_not)
{
    auto book = busy_book();
    auto const left = book.leave(1);
    EXPECT_EQ(ranges(left.started), 1u);
    EXPECT_EQ(left.started[0].first, 2u);
    EXPECT_EQ(ranges(left.unstarted), 8u);
    // The reported range stays until the engine has judged it; rank 2 is untouched.
    EXPECT_EQ(ranges(book.all()), 11u);
}

//---------------------------------------------------------------------------//
TEST(Book, a_rank_that_comes_back_keeps_what_is_still_its_own)
{
    auto book = busy_book();
    auto const foreign = book.foreign(1, span_of(8, 4));
    ASSERT_TRUE(foreign.size() == 1);
    EXPECT_EQ(foreign[0].first, 10u);
    EXPECT_EQ(foreign[0].count, 2u);
    auto const left = book.leave(1, {span_of(0, 5)});
    EXPECT_EQ(ranges(left.unstarted), 5u);
    EXPECT_EQ(ranges(left.started), 0u);
}

//---------------------------------------------------------------------------//
TEST(Book, a_recall_is_passed_on_to_those_who_have_not_reported)
{
    auto const book = busy_book();
    auto const owners = book.owners(span_of(2, 10));
    ASSERT_TRUE(owners.size() == 2);
    EXPECT_EQ(ranges(owners.at(1)), 7u);
    EXPECT_EQ(ranges(owners.at(2)), 2u);
}

//---------------------------------------------------------------------------//
TEST(Book, judged_ranges_leave_the_book_and_only_they)
{
    auto book = busy_book();
    book.settle(span_of(3, 1));
    book.settle(span_of(15, 2));
    EXPECT_EQ(ranges(book.all()), 17u);
    EXPECT_EQ(ranges(book.started()), 1u);
    EXPECT_FALSE(book.overlaps(wire::TaskId{1}, 15, 17));
    EXPECT_TRUE(book.overlaps(wire::TaskId{1}, 14, 17));
}
//---------------------------------------------------------------------------//
}  // namespace test
}  // namespace jumbo
