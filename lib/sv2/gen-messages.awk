# SPDX-License-Identifier: MIT
# gen-messages.awk: writes include/adit/sv2_messages.h from messages.def (read by messages.awk).
#
# The header is what plugin authors read: one commented struct a message, the list of message
# numbers, and a handler table for each side of each protocol.

function on_message()
{
	printf "/* %s (0x%02x%s; specification %s). %s */\n", title[count], type[count],
	       extension[count] ? sprintf(" of extension 0x%04x", extension[count]) : "", section[count], help[count]
	printf "struct adit_sv2_%s {\n", name[count]
}

function on_field(    f, t, what)
{
	f = fields[count]
	t = field_type[count, f]
	if (!(t in ctype)) fail("unknown type " t)
	what = t
	if (tlv[count, f]) {
		split(tlv[count, f], id, " ")
		what = sprintf("TLV 0x%02x of extension 0x%04x, data NULL when absent", id[2], id[1])
	}
	printf "\t%s; /* %s: %s */\n", sprintf(ctype[t], field_name[count, f]), what, field_help[count, f]
}

function on_end() { print "};\n" }

# Common messages that an application may want to handle itself.
function for_applications(i) { return name[i] ~ /^(reconnect|channel_endpoint_changed)$/ }

function handler_table(proto, side, from,    i)
{
	printf "/* Handlers of the %s of the %s protocol; NULL where the message is not expected. */\n",
	       side, words[proto]
	printf "struct adit_sv2_%s_%s_handlers {\n", tolower(proto), side
	print "\tuint32_t size;"
	print (side == "server" ? "\tADIT_SV2_SERVER_CALLBACKS" : "\tADIT_SV2_CLIENT_CALLBACKS")
	for (i = 1; i <= count; i++) {
		if (direction[i] != from && direction[i] != "BOTH") continue
		if (scope[i] != proto && !(side == "client" && for_applications(i))) continue
		printf "\tint32_t (*%s)(void *context, struct adit_sv2_conn *conn,\n", name[i]
		printf "\t\tconst struct adit_sv2_%s *message);\n", name[i]
	}
	print "};\n"
}

BEGIN {
	words["MINING"] = "mining"; words["JOB_DECLARATION"] = "job declaration"
	words["TEMPLATE"] = "template distribution"
	ctype["BOOL"] = "bool %s"; ctype["U8"] = "uint8_t %s"; ctype["U16"] = ctype["U16_OR_400"] = "uint16_t %s"
	ctype["U32"] = "uint32_t %s"; ctype["U64"] = "uint64_t %s"; ctype["F32"] = "float %s"
	ctype["U256"] = "struct adit_u256 %s"
	ctype["STR0_255"] = ctype["CODE"] = ctype["STR0_32"] = "struct adit_bytes %s"
	ctype["B0_32"] = ctype["B0_255"] = ctype["B0_64K"] = "struct adit_bytes %s"
	ctype["SEQ0_255_U256"] = ctype["SEQ0_64K_U16"] = ctype["SEQ0_64K_U32"] = "struct adit_sv2_seq %s"
	ctype["SEQ0_64K_U256"] = ctype["SEQ0_64K_B0_16M"] = "struct adit_sv2_seq %s"
	ctype["OPTION_U32"] = ctype["OPTIONAL_U32"] = "struct adit_sv2_option_u32 %s"
	print "/* SPDX-License-Identifier: MIT */"
	print "/* Generated from lib/sv2/messages.def by gen-messages.awk; do not edit. */"
	print "/* adit/sv2_messages.h: the Stratum V2 messages as structs. Included by adit/sv2.h. */"
	print "#ifndef ADIT_SV2_MESSAGES_H\n#define ADIT_SV2_MESSAGES_H\n"
}

END {
	if (failed) exit 1
	print "/* The messages by number, in the order of messages.def. */\nenum adit_sv2_message {"
	for (i = 1; i <= count; i++) printf "\tADIT_SV2_%s = %d,\n", constant[i], i - 1
	printf "\tADIT_SV2_MESSAGE_COUNT = %d\n};\n\n", count
	n = split("MINING JOB_DECLARATION TEMPLATE", protocols, " ")
	for (p = 1; p <= n; p++) {
		handler_table(protocols[p], "server", "C2S")
		handler_table(protocols[p], "client", "S2C")
	}
	print "#endif"
}
