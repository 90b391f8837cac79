/*!
 * \file wire/test/Vectors.hpp
 * \brief The vectors of test/vectors as C++ values.
 */
#pragma once

#include <string>
#include <vector>

#include "wire/Messages.hpp"

namespace jumbo
{
namespace test
{
//---------------------------------------------------------------------------//
struct MessageVector
{
    std::string name;
    wire::Side from;
    wire::Message message;
    wire::Blob frame;
};

struct MalformedVector
{
    std::string name;
    wire::Side from;
    std::string code;
    wire::Blob payload;
};

std::vector<MessageVector> message_vectors();
std::vector<MalformedVector> malformed_vectors();
//---------------------------------------------------------------------------//
}  // namespace test
}  // namespace jumbo
