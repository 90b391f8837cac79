/*!
 * \file wire/MessageCodec.hpp
 * \brief Internal: positions of each message after its type, put and read.
 *
 * \c items<M> is the length of the message's array, type included.
 */
#pragma once

#include "wire/Messages.hpp"
#include "wire/Reader.hpp"
#include "wire/Writer.hpp"

namespace jumbo
{
namespace wire
{
//---------------------------------------------------------------------------//
template<class M>
constexpr std::size_t items = 0;
template<>
constexpr std::size_t items<Hello> = 14;
template<>
constexpr std::size_t items<Welcome> = 10;
template<>
constexpr std::size_t items<Exchange> = 6;
template<>
constexpr std::size_t items<Grant> = 6;
template<>
constexpr std::size_t items<Verdicts> = 3;
template<>
constexpr std::size_t items<Started> = 2;
template<>
constexpr std::size_t items<Heartbeat> = 3;
template<>
constexpr std::size_t items<Pulse> = 1;
template<>
constexpr std::size_t items<BundleNotice> = 4;
template<>
constexpr std::size_t items<Drain> = 3;
template<>
constexpr std::size_t items<Recall> = 3;
template<>
constexpr std::size_t items<Bye> = 2;
template<>
constexpr std::size_t items<Fault> = 3;
template<>
constexpr std::size_t items<Resources> = 3;

//---------------------------------------------------------------------------//
// SessionCodec.cpp
void put(Writer& out, Hello const& hello);
void put(Writer& out, Welcome const& welcome);
void put(Writer& out, Heartbeat const& heartbeat);
void put(Writer& out, Pulse const& pulse);
void put(Writer& out, Drain const& drain);
void put(Writer& out, Bye const& bye);
void put(Writer& out, Fault const& fault);
void put(Writer& out, Resources const& resources);
void read(Reader& from, Hello& hello);
void read(Reader& from, Welcome& welcome);
void read(Reader& from, Heartbeat& heartbeat);
void read(Reader& from, Pulse& pulse);
void read(Reader& from, Drain& drain);
void read(Reader& from, Bye& bye);
void read(Reader& from, Fault& fault);
void read(Reader& from, Resources& resources);

//---------------------------------------------------------------------------//
// WorkCodec.cpp
void put(Writer& out, Exchange const& exchange);
void put(Writer& out, Verdicts const& verdicts);
void put(Writer& out, Started const& started);
void put(Writer& out, Recall const& recall);
void put(Writer& out, BundleNotice const& bundle);
void read(Reader& from, Exchange& exchange);
void read(Reader& from, Verdicts& verdicts);
void read(Reader& from, Started& started);
void read(Reader& from, Recall& recall);
void read(Reader& from, BundleNotice& bundle);

//---------------------------------------------------------------------------//
// GrantCodec.cpp
void put(Writer& out, Grant const& grant);
void read(Reader& from, Grant& grant);
//! Four items; the caller has put or read the header of the array around them.
void put(Writer& out, GrantBody const& body);
void read(Reader& from, GrantBody& body);
//---------------------------------------------------------------------------//
}  // namespace wire
}  // namespace jumbo
