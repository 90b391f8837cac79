/*!
 * \file pilot/main.cpp
 * \brief `jumbo-pilot`: one process a node, with MPI or alone.
 */
#include <cstdio>

#include "pilot/Access.hpp"
#include "pilot/Log.hpp"
#include "pilot/Options.hpp"
#include "pilot/Rank.hpp"
#include "pilot/Tls.hpp"
#ifdef JUMBO_WITH_MPI
#    include "pilot/MpiTransport.hpp"
#else
#    include "pilot/Transport.hpp"
#endif

using namespace jumbo::pilot;

namespace
{
//---------------------------------------------------------------------------//
int complain(Ending const& ending)
{
    std::fprintf(stderr, "jumbo-pilot: %s\n", ending.reason.c_str());
    return static_cast<int>(ending.code);
}

char const* mpi_name()
{
#ifdef JUMBO_WITH_MPI
    return jumbo_mpi_name();
#else
    return "none (one node)";
#endif
}
//---------------------------------------------------------------------------//
}  // namespace

//---------------------------------------------------------------------------//
int main(int argc, char** argv)
{
    Options options;
    Ending problem;
    // Wrong flags and missing files are told before MPI starts, once and quickly.
    if (!parse_options(argc, argv, options, problem))
    {
        return complain(problem);
    }
    if (options.help)
    {
        std::fputs(help_text().c_str(), stdout);
        return 0;
    }
    if (options.version)
    {
        std::printf("jumbo-pilot 0.1.0, protocol 1, MPI: %s, TLS: %s\n",
                    mpi_name(),
                    tls_name().c_str());
        return 0;
    }
    Access access;
    if (!read_access(options.access_path, access, problem))
    {
        return complain(problem);
    }
#ifdef JUMBO_WITH_MPI
    MpiTransport transport{argc, argv};
    log_rank(transport.size() > 1 ? transport.rank() : -1);
#else
    Transport transport;
#endif
    install_signal_handlers();
    Ending ending;
    {
        Rank rank{options, transport};
        ending = rank.run();
    }
    if (ending.code != Exit::ok && transport.rank() == 0)
    {
        complain(ending);
    }
#ifdef JUMBO_WITH_MPI
    transport.finalize(static_cast<int>(ending.code));
#endif
    return static_cast<int>(ending.code);
}
