/*!
 * \file wire/test/echo.cpp
 * \brief Decode and encode again what another implementation wrote: `wire-echo pilot|engine`.
 *
 * Reads frames from standard input as that side sent them, and answers each on standard output with
 * the same message encoded again, or with an empty frame (four zero bytes) if it was refused.
 */
#include <cstdio>
#include <cstring>

#include "wire/Codec.hpp"

int main(int argc, char** argv)
{
    using namespace jumbo::wire;
    bool const pilot = argc == 2 && std::strcmp(argv[1], "pilot") == 0;
    if (!pilot && (argc != 2 || std::strcmp(argv[1], "engine") != 0))
    {
        std::fprintf(stderr, "usage: wire-echo pilot|engine < frames > frames\n");
        return 2;
    }
    FrameSplitter splitter{frame_bytes_max};
    std::vector<std::uint8_t> input(64 * 1024);
    std::vector<std::uint8_t> output;
    while (auto const size = std::fread(input.data(), 1, input.size(), stdin))
    {
        splitter.feed({input.data(), size});
        for (BytesView payload; splitter.next(payload);)
        {
            auto const message = decode(payload, pilot ? Side::pilot : Side::engine);
            if (!message)
            {
                output.insert(output.end(), frame_prefix_bytes, 0);
            }
            else if (auto const done = append_frame(output, message.value()); !done)
            {
                std::fprintf(stderr, "wire-echo: %s\n", done.error().message.c_str());
                return 1;
            }
        }
        std::fwrite(output.data(), 1, output.size(), stdout);
        output.clear();
        if (splitter.broken())
        {
            std::fprintf(stderr, "wire-echo: %s\n", splitter.error().message.c_str());
            return 1;
        }
    }
    return 0;
}
