/*!
 * \file pilot/NoTls.cpp
 * \brief In the place of Tls.cpp where there is no OpenSSL.
 */
#include "pilot/Tls.hpp"

namespace jumbo
{
namespace pilot
{
//---------------------------------------------------------------------------//
bool has_tls()
{
    return false;
}

std::string tls_name()
{
    return "none";
}

std::unique_ptr<Tls>
Tls::make(int, std::string const&, std::string const&, std::string& problem)
{
    problem = "this pilot was built without TLS";
    return nullptr;
}
//---------------------------------------------------------------------------//
}  // namespace pilot
}  // namespace jumbo
