//! \file pilot/test/ReportLine.test.cpp
#include "pilot/ReportLine.hpp"

#include "Test.hpp"

namespace jumbo
{
namespace test
{
namespace
{
using namespace pilot;
using wire::Verdict;

Parcel parcel_of(int rank, std::uint16_t ranges)
{
    wire::Report report;
    report.spans = {wire::TaskId{1}, wire::Epoch{1}, {{0, 1, ranges, 1, 1}}};
    return {rank, 1, 5, {report}};
}
}  // namespace

//---------------------------------------------------------------------------//
TEST(ReportLine, each_rank_gets_the_verdicts_on_its_own_reports)
{
    ReportLine line;
    line.add(parcel_of(1, 3));
    line.add(parcel_of(2, 2));
    EXPECT_EQ(line.take(1).size(), 2u);
    std::vector<int> ranks;
    std::vector<std::uint32_t> counts;
    bool const fits = line.answer(1,
                                  {{4, Verdict::accepted}, {1, Verdict::stale}},
                                  [&](Parcel const& parcel, std::vector<wire::VerdictRun> runs) {
                                      ranks.push_back(parcel.rank);
                                      for (auto const& run : runs)
                                      {
                                          counts.push_back(run.count);
                                      }
                                  });
    EXPECT_TRUE(fits);
    EXPECT_TRUE((ranks == std::vector<int>{1, 2}));
    EXPECT_TRUE((counts == std::vector<std::uint32_t>{3, 1, 1}));
    EXPECT_EQ(line.tally().accepted, 4u);
    EXPECT_EQ(line.tally().unused, 1u);
    EXPECT_TRUE(line.empty());
}

//---------------------------------------------------------------------------//
TEST(ReportLine, verdicts_that_cover_less_or_more_do_not_fit)
{
    for (std::uint32_t count : {2u, 4u})
    {
        ReportLine line;
        line.add(parcel_of(1, 3));
        line.take(1);
        EXPECT_FALSE(line.answer(1, {{count, Verdict::accepted}}, [](Parcel const&, auto) {}));
    }
}

//---------------------------------------------------------------------------//
TEST(ReportLine, unanswered_reports_wait_again_in_their_order)
{
    ReportLine line;
    line.add(parcel_of(1, 1));
    line.take(1);
    line.add(parcel_of(2, 2));
    line.take(2);
    line.add(parcel_of(3, 3));
    line.take_back();
    auto const again = line.take(1);
    ASSERT_TRUE(again.size() == 3);
    EXPECT_EQ(again[0].spans.spans[0].count, 1u);
    EXPECT_EQ(again[2].spans.spans[0].count, 3u);
}
//---------------------------------------------------------------------------//
}  // namespace test
}  // namespace jumbo
