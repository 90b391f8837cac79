/*!
 * \file wire/test/fuzz.cpp
 * \brief Decode mutated frames: `wire-fuzz COUNT SEED`.
 *
 * Starts from the vectors, well-formed and malformed. Each payload is refused in words, or accepted
 * and then encodes again to the same bytes. To be run under the sanitizers: payloads lie in
 * buffers of exactly their size.
 */
#include <cstdio>
#include <cstdlib>
#include <random>

#include "base/Assert.hpp"
#include "wire/Codec.hpp"
#include "wire/test/Vectors.hpp"

namespace
{
using namespace jumbo;
using namespace jumbo::wire;
//---------------------------------------------------------------------------//
// Vectors longer than this only slow the fuzzing down.
constexpr std::size_t seed_bytes_max = 1024;

struct Seed
{
    Side from;
    Blob payload;
};

std::vector<Seed> seeds()
{
    std::vector<Seed> result;
    for (auto const& vector : test::message_vectors())
    {
        if (vector.frame.size() <= seed_bytes_max)
        {
            result.push_back({vector.from, Blob(vector.frame.begin() + 4, vector.frame.end())});
        }
    }
    for (auto const& vector : test::malformed_vectors())
    {
        if (vector.payload.size() <= seed_bytes_max)
        {
            result.push_back({vector.from, vector.payload});
        }
    }
    return result;
}

//---------------------------------------------------------------------------//
class Mutator
{
  public:
    explicit Mutator(std::uint64_t seed) : random_{seed} {}

    std::size_t below(std::size_t limit) { return static_cast<std::size_t>(random_() % limit); }

    void operator()(Blob& bytes)
    {
        static std::uint8_t const heads[]
            = {0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xc3, 0xc4,
               0xc5, 0xc6, 0xc7, 0xca, 0xcb, 0xcc, 0xcd, 0xce, 0xcf, 0xd0, 0xd3,
               0xd4, 0xd8, 0xd9, 0xda, 0xdb, 0xdc, 0xdd, 0xde, 0xdf, 0xe0, 0xff};
        for (auto edits = 1 + this->below(4); edits > 0; --edits)
        {
            if (bytes.empty())
            {
                bytes.push_back(0x90);
            }
            auto const at = this->below(bytes.size());
            auto const place = bytes.begin() + static_cast<std::ptrdiff_t>(at);
            auto const rest = bytes.size() - at;
            switch (this->below(6))
            {
                case 0:
                    bytes[at] = static_cast<std::uint8_t>(bytes[at] ^ (1u << this->below(8)));
                    break;
                case 1:
                    bytes[at] = static_cast<std::uint8_t>(this->below(256));
                    break;
                case 2:
                    bytes.erase(place,
                                place + static_cast<std::ptrdiff_t>(1 + this->below(rest)));
                    break;
                case 3:
                    bytes.insert(place, static_cast<std::uint8_t>(this->below(256)));
                    break;
                case 4:
                {
                    Blob const copy(
                        place, place + static_cast<std::ptrdiff_t>(1 + this->below(rest)));
                    bytes.insert(place, copy.begin(), copy.end());
                    break;
                }
                default:
                    bytes[at] = heads[this->below(sizeof heads)];
            }
        }
    }

  private:
    std::mt19937_64 random_;
};

//---------------------------------------------------------------------------//
bool check(Blob const& payload, Side from)
{
    auto const message = decode({payload.data(), payload.size()}, from);
    if (!message)
    {
        JUMBO_ASSERT(!message.error().message.empty());
        return false;
    }
    Blob frame;
    JUMBO_ASSERT(append_frame(frame, message.value()));
    JUMBO_ASSERT(Blob(frame.begin() + 4, frame.end()) == payload);
    return true;
}
//---------------------------------------------------------------------------//
}  // namespace

int main(int argc, char** argv)
{
    if (argc != 3)
    {
        std::fprintf(stderr, "usage: wire-fuzz COUNT SEED\n");
        return 2;
    }
    auto const count = std::strtoull(argv[1], nullptr, 10);
    auto const all = seeds();
    Mutator mutate{std::strtoull(argv[2], nullptr, 10)};
    unsigned long long accepted = 0;
    for (unsigned long long i = 0; i < count; ++i)
    {
        auto const& seed = all[mutate.below(all.size())];
        Blob bytes = seed.payload;
        mutate(bytes);
        Blob const exact(bytes.begin(), bytes.end());
        accepted += check(exact, seed.from) ? 1 : 0;
    }
    std::printf("%llu mutated frames, %llu still well-formed, no other fault\n", count, accepted);
    // Fuzzing that accepts nothing, or everything, tries nothing.
    return accepted > 0 && accepted < count ? 0 : 1;
}
