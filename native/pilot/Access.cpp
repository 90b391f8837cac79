/*!
 * \file pilot/Access.cpp
 */
#include "pilot/Access.hpp"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "pilot/Json.hpp"
#include "pilot/Text.hpp"

namespace jumbo
{
namespace pilot
{
namespace
{
constexpr char store_identity[] = "jumbo";

//---------------------------------------------------------------------------//
bool is_access(JsonValue const& value)
{
    if (value.at("schema").text != "access/1" || !value.at("pilots").is(JsonValue::Kind::array)
        || !value.at("pilotKey").is(JsonValue::Kind::text))
    {
        return false;
    }
    for (auto const& each : value.at("pilots").items)
    {
        if (!each.is(JsonValue::Kind::text))
        {
            return false;
        }
    }
    return true;
}
//---------------------------------------------------------------------------//
}  // namespace

//---------------------------------------------------------------------------//
bool read_access(std::string const& path, Access& access, Ending& problem)
{
    errno = 0;
    std::ifstream in{path};
    if (!in)
    {
        problem = {Exit::not_found,
                   "no access file at " + path + " (" + std::strerror(errno)
                       + ") start the engine with `jumbo serve --store DIR`, or name its file with "
                         "--access"};
        return false;
    }
    std::ostringstream text;
    text << in.rdbuf();
    auto const value = parse_json(text.str());
    if (!value || !is_access(*value))
    {
        problem = {Exit::usage,
                   "access file " + path
                       + " is not of schema access/1 (no such JSON, or keys are missing) it is "
                         "written by `jumbo serve` of this version"};
        return false;
    }
    access.pilots.clear();
    for (auto const& each : value->at("pilots").items)
    {
        access.pilots.push_back(each.text);
    }
    access.pilot_key = value->at("pilotKey").text;
    access.pilot_identity = value->at("pilotIdentity").text;
    if (access.pilot_identity.empty())
    {
        access.pilot_identity = store_identity;
    }
    access.proxy = value->at("proxy").text;
    return true;
}

//---------------------------------------------------------------------------//
std::string Access::credential() const
{
    return pilot_identity == store_identity ? pilot_key : pilot_identity + "/" + pilot_key;
}

//---------------------------------------------------------------------------//
bool parse_address(std::string const& text, Address& address)
{
    if (text.compare(0, 5, "unix:") == 0)
    {
        address = {Address::Kind::unix_socket, text.substr(5), "", ""};
        return !address.path.empty();
    }
    if (text.compare(0, 9, "spool:///") == 0)
    {
        address = {Address::Kind::folder, text.substr(8), "", ""};
        return address.path.size() > 1;
    }
    bool const tls = text.compare(0, 6, "tls://") == 0;
    if (!tls && text.compare(0, 6, "tcp://") != 0)
    {
        return false;
    }
    auto const colon = text.rfind(':');
    auto host = text.substr(6, colon < 6 ? 0 : colon - 6);
    auto const port = text.substr(colon + 1);
    if (host.size() > 2 && host.front() == '[' && host.back() == ']')
    {
        host = host.substr(1, host.size() - 2);
    }
    else if (host.find(':') != std::string::npos)
    {
        return false;
    }
    if (host.empty() || !parse_whole(port, 1, 65535))
    {
        return false;
    }
    address = {tls ? Address::Kind::tls : Address::Kind::tcp, "", host, port};
    return true;
}
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
