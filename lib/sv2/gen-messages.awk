# SPDX-License-Identifier: MIT
# gen-messages.awk: writes include/adit/sv2_messages.h from messages.def.
#
# The header is what plugin authors read: one commented struct a message, the list of message
# numbers, and a handler table for each side of each protocol.

function flush_statement(    args, n, i, kind)
{
	kind = statement
	sub(/\(.*/, "", kind)
	args = statement
	sub(/^[A-Z_]+\(/, "", args)
	sub(/\)$/, "", args)
	n = split_args(args)
	if (kind == "MESSAGE") begin_message()
	else if (kind == "FIELD") add_field()
	else if (kind == "END_MESSAGE") end_message()
	statement = ""
}

# Splits at commas outside quotes into arg[1..]; a quoted argument loses its quotes.
function split_args(text,    i, c, quoted, n)
{
	delete arg
	n = 1
	arg[1] = ""
	for (i = 1; i <= length(text); i++) {
		c = substr(text, i, 1)
		if (c == "\\" && quoted) { i++; arg[n] = arg[n] substr(text, i, 1) }
		else if (c == "\"") quoted = !quoted
		else if (c == "," && !quoted) { n++; arg[n] = "" }
		else if (c != " " || quoted || arg[n] != "") arg[n] = arg[n] c
	}
	return n
}

function begin_message()
{
	count++
	constant[count] = arg[1]; name[count] = arg[2]; title[count] = arg[3]
	protocol[count] = arg[7]; direction[count] = arg[8]
	printf "/* %s (0x%02x). %s */\nstruct adit_sv2_%s {\n", arg[3], hex(arg[5]), arg[10], arg[2]
}

function hex(text,    i, value)
{
	value = 0
	text = tolower(substr(text, 3))
	for (i = 1; i <= length(text); i++)
		value = value * 16 + index("0123456789abcdef", substr(text, i, 1)) - 1
	return value
}

function add_field()
{
	if (!(arg[2] in ctype)) { print "unknown type " arg[2] > "/dev/stderr"; exit 1 }
	printf "\t%s; /* %s: %s */\n", sprintf(ctype[arg[2]], arg[3]), arg[2], arg[4]
}

function end_message() { print "};\n" }

function handler_table(proto, side, from,    i)
{
	printf "/* Handlers of the %s of the %s protocol; NULL where the message is not expected. */\n",
	       side, tolower(proto) == "template" ? "template distribution" : tolower(proto)
	printf "struct adit_sv2_%s_%s_handlers {\n", tolower(proto), side
	print "\tuint32_t size;"
	print (side == "server" ? "\tADIT_SV2_SERVER_CALLBACKS" : "\tADIT_SV2_CLIENT_CALLBACKS")
	for (i = 1; i <= count; i++) {
		if (direction[i] != from && direction[i] != "BOTH") continue
		if (protocol[i] != proto && !(protocol[i] == "COMMON" && side == "client" && name[i] ~ /^(reconnect|channel_endpoint_changed)$/))
			continue
		printf "\tint32_t (*%s)(void *context, struct adit_sv2_conn *conn,\n\t\tconst struct adit_sv2_%s *message);\n", name[i], name[i]
	}
	print "};\n"
}

BEGIN {
	ctype["BOOL"] = "bool %s"; ctype["U8"] = "uint8_t %s"; ctype["U16"] = "uint16_t %s"
	ctype["U32"] = "uint32_t %s"; ctype["U64"] = "uint64_t %s"; ctype["F32"] = "float %s"
	ctype["U256"] = "struct adit_u256 %s"
	ctype["STR0_255"] = ctype["B0_32"] = ctype["B0_255"] = ctype["B0_64K"] = "struct adit_bytes %s"
	ctype["SEQ0_255_U256"] = ctype["SEQ0_64K_U32"] = ctype["SEQ0_64K_B0_16M"] = "struct adit_sv2_seq %s"
	ctype["OPTION_U32"] = ctype["OPTIONAL_U32"] = "struct adit_sv2_option_u32 %s"
	print "/* SPDX-License-Identifier: MIT */"
	print "/* Generated from lib/sv2/messages.def by gen-messages.awk; do not edit. */"
	print "/* adit/sv2_messages.h: the Stratum V2 messages as structs. Included by adit/sv2.h. */"
	print "#ifndef ADIT_SV2_MESSAGES_H\n#define ADIT_SV2_MESSAGES_H\n"
}

/^[ \t]*\/\*/ { comment = 1 }
comment { if (/\*\//) comment = 0; next }
/^[ \t]*$/ { next }
{
	line = $0
	sub(/^[ \t]+/, "", line)
	statement = statement (statement == "" ? "" : " ") line
	if (statement ~ /\)$/) flush_statement()
}

END {
	print "/* The messages by number, in the order of messages.def. */\nenum adit_sv2_message {"
	for (i = 1; i <= count; i++) printf "\tADIT_SV2_%s = %d,\n", constant[i], i - 1
	printf "\tADIT_SV2_MESSAGE_COUNT = %d\n};\n\n", count
	handler_table("MINING", "server", "C2S")
	handler_table("MINING", "client", "S2C")
	handler_table("TEMPLATE", "server", "C2S")
	handler_table("TEMPLATE", "client", "S2C")
	print "#endif"
}
