/*!
 * \file pilot/Placeholders.cpp
 */
#include "pilot/Placeholders.hpp"

#include <functional>

namespace jumbo
{
namespace pilot
{
namespace
{
//---------------------------------------------------------------------------//
std::size_t name_end(std::string const& text, std::size_t at)
{
    while (at < text.size() && text[at] >= 'a' && text[at] <= 'z')
    {
        ++at;
    }
    return at;
}

//! Replace each `{name}` by what \c value gives, and each `{{name}}` by `{name}`.
std::string
replace_all(std::string const& text, std::function<std::string(std::string const&)> const& value)
{
    std::string out;
    for (std::size_t at = 0; at < text.size();)
    {
        if (text[at] == '{')
        {
            bool const escaped = at + 1 < text.size() && text[at + 1] == '{';
            auto const begin = at + (escaped ? 2 : 1);
            auto const end = name_end(text, begin);
            auto const name = text.substr(begin, end - begin);
            if (!name.empty() && text.compare(end, escaped ? 2 : 1, escaped ? "}}" : "}") == 0)
            {
                out += escaped ? "{" + name + "}" : value(name);
                at = end + (escaped ? 2 : 1);
                continue;
            }
        }
        out += text[at++];
    }
    return out;
}
//---------------------------------------------------------------------------//
}  // namespace

//---------------------------------------------------------------------------//
bool uses_placeholder(std::vector<std::string> const& command, std::string const& name)
{
    bool found = false;
    for (auto const& argument : command)
    {
        replace_all(argument, [&](std::string const& each) {
            found = found || each == name;
            return std::string{};
        });
    }
    return found;
}

//---------------------------------------------------------------------------//
bool fill_command(std::vector<std::string> const& command,
                  PlaceholderValues const& values,
                  std::vector<std::string>& argv,
                  std::string& missing)
{
    missing.clear();
    argv.clear();
    for (auto const& argument : command)
    {
        argv.push_back(replace_all(argument, [&](std::string const& name) {
            auto const found = values.find(name);
            if (found != values.end())
            {
                return found->second;
            }
            if (missing.empty())
            {
                missing = name;
            }
            return std::string{};
        }));
    }
    return missing.empty();
}

//---------------------------------------------------------------------------//
PlaceholderValues range_values(RangeWork const& work, std::string const& slice)
{
    auto const stop = work.start + work.count;
    PlaceholderValues values{{"skip", std::to_string(work.start)},
                             {"count", std::to_string(work.count)},
                             {"first", std::to_string(work.start + 1)},
                             {"last", std::to_string(stop)},
                             {"start", std::to_string(work.start)},
                             {"stop", std::to_string(stop)},
                             {"seed", work.file.seed},
                             {"range", std::to_string(work.range())},
                             {"attempt", std::to_string(work.span.attempt)},
                             {"output", work.output},
                             {"workdir", work.folder},
                             {"taskdir", work.task->task_dir}};
    if (!work.file.path.empty())
    {
        values["file"] = work.file.path;
        values["tree"] = work.file.tree;
    }
    if (work.has_bytes)
    {
        values["offset"] = std::to_string(work.bytes.begin);
        values["bytes"] = std::to_string(work.bytes.end - work.bytes.begin);
    }
    if (!slice.empty())
    {
        values["slice"] = slice;
    }
    return values;
}
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
