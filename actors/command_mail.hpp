// Spate - lets CAF carry the messages of commands within this process.
#pragma once

#include <caf/allowed_unsafe_message_type.hpp>

#include "actors/command_messages.hpp"

// They never leave the process, so they need no inspect().
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(spate::actors::DeliverCommand)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(spate::actors::SettleAnswer)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(spate::actors::ForgetCommand)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(spate::actors::DeviceReady)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(spate::actors::CommandSent)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(spate::actors::CommandDelivered)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(spate::actors::CommandAnswer)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(spate::actors::DeviceGone)
