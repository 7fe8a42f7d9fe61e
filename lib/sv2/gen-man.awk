# SPDX-License-Identifier: MIT
# gen-man.awk: writes the manual page adit-sv2(7) from messages.def (read by messages.awk).

function on_message() { }
function on_field() { if (!(field_type[count, fields[count]] in size)) fail("unknown type " field_type[count, fields[count]]) }
function on_end() { }

# Text as a line of mdoc: no backslash, no control character in front.
function plain(text)
{
	gsub(/\\/, "\\\\e", text)
	return (text ~ /^[.']/ ? "\\&" : "") text
}

function sender(i)
{
	if (direction[i] == "C2S") return "the client"
	if (direction[i] == "S2C") return "the server"
	return "either side"
}

function print_type(t, meaning,    name)
{
	name = t
	sub(/^SEQ0_255_/, "SEQ0_255[", name); sub(/^SEQ0_64K_/, "SEQ0_64K[", name); sub(/^OPTION_/, "OPTION[", name)
	if (name ~ /\[/) name = name "]"
	shown[t] = name
	size[t] = 1
	types = types ".It Cm " name "\n" meaning "\n"
}

function print_field(i, f,    id)
{
	printf ".It Cm %s Pq %s\n", field_name[i, f], shown[field_type[i, f]]
	if (tlv[i, f]) {
		split(tlv[i, f], id, " ")
		printf "TLV 0x%02x of extension 0x%04x:\n", id[2], id[1]
	}
	print plain(field_help[i, f])
}

function print_message(i,    f)
{
	printf ".Ss %s (0x%02x)\n", title[i], type[i]
	print plain(help[i])
	printf "Sent by %s, channel bit %s, payload at most %d bytes;\n", sender(i), channel[i] ? "set" : "clear", largest[i]
	printf ".Vt struct adit_sv2_%s ;\n", name[i]
	printf "specification %s.\n", section[i]
	print ".Bl -tag -width Ds -compact"
	for (f = 1; f <= fields[i]; f++) print_field(i, f)
	print ".El"
}

function print_scope(which, heading, text,    i)
{
	print ".Sh " heading
	print text
	for (i = 1; i <= count; i++)
		if (scope[i] == which) print_message(i)
}

BEGIN {
	print_type("BOOL", "one byte of which bit 0 counts")
	print_type("U8", "one byte")
	print_type("U16", "two bytes")
	print_type("U32", "four bytes")
	print_type("U64", "eight bytes")
	print_type("F32", "IEEE 754 single precision, four bytes; finite and not negative")
	print_type("U256", "32 bytes, least significant first; hashes as they stand in a block header")
	print_type("STR0_255", "a length byte and as many bytes of text")
	print_type("CODE", "STR0_255 that adit sends in printable ASCII only")
	print_type("STR0_32", "text of at most 32 bytes; its length is the TLV's")
	print_type("B0_32", "a length byte, at most 32, and as many bytes")
	print_type("B0_255", "a length byte and as many bytes")
	print_type("B0_64K", "a length of two bytes and as many bytes")
	print_type("SEQ0_255_U256", "a count byte and as many U256")
	print_type("SEQ0_64K_U16", "a count of two bytes and as many U16")
	print_type("SEQ0_64K_U32", "a count of two bytes and as many U32")
	print_type("SEQ0_64K_U256", "a count of two bytes and as many U256")
	print_type("SEQ0_64K_B0_16M", "a count of two bytes and as many byte strings, each behind a length of three bytes")
	print_type("OPTION_U32", "the byte 0, or the byte 1 and a U32; any other first byte is an error")
	print_type("OPTIONAL_U32", "a U32 at the end that older peers leave out")
	print_type("U16_OR_400", "a U16 at the end that older peers leave out: 400 then")
}

END {
	if (failed) exit 1
	print ".\\\" SPDX-License-Identifier: MIT"
	print ".\\\" Generated from lib/sv2/messages.def by gen-man.awk; do not edit."
	print ".Dd November 21, 2026\n.Dt ADIT-SV2 7\n.Os"
	print ".Sh NAME\n.Nm adit-sv2\n.Nd Stratum V2 messages as adit speaks them"
	print ".Sh DESCRIPTION"
	print "This page lists every message and field in wire order."
	print "Fields follow each other without padding; all integers are little-endian."
	print ".Pp"
	print "A frame is a header of six bytes and the payload: the id of the extension"
	print ".Pq two bytes; 0 for all messages but those of extensions ,"
	print "whose bit 15 is the channel bit, the message type"
	print ".Pq one byte ,"
	print "and the size of the payload"
	print ".Pq three bytes ."
	print "The channel bit says that the payload begins with a channel's id."
	print "adit sends it as given here and ignores it when it receives one of these messages."
	print "A payload that is larger than given here is refused before any of it is kept."
	print ".Pp"
	print "The client is the side that dialled: for template distribution the pool, for job declaration the"
	print "declarator's client."
	print "Sections are those of the Stratum V2 specification, with the number of its file in front."
	print "Where open changes of the specification rename fields, the new names are used."
	print ".Ss Types\n.Bl -tag -width SEQ0_255[U256] -compact"
	printf "%s", types
	print ".El"
	print_scope("COMMON", "COMMON MESSAGES", "They open a connection of each protocol, and redirect it.")
	print_scope("MINING", "MINING PROTOCOL", "Jobs and shares; protocol 0 of SetupConnection.\n" \
		"Its flags: bit 0 REQUIRES_STANDARD_JOBS, bit 1 REQUIRES_WORK_SELECTION, bit 2\nREQUIRES_VERSION_ROLLING.\n" \
		"In SetupConnection.Success: bit 0 REQUIRES_FIXED_VERSION, bit 1\nREQUIRES_EXTENDED_CHANNELS.")
	print_scope("JOB_DECLARATION", "JOB DECLARATION PROTOCOL", "Miners choose the transactions; protocol 1 of SetupConnection.\n" \
		"Its flags: bit 0 DECLARE_TX_DATA.")
	print_scope("TEMPLATE", "TEMPLATE DISTRIBUTION PROTOCOL", "Block templates of a node; protocol 2 of SetupConnection; no flags.")
	print_scope("EXTENSIONS", "EXTENSIONS", "Extension 0x0001 negotiates the others.\n" \
		"Extension 0x0002, worker-specific hashrate tracking, adds the TLV user_identity to SubmitSharesExtended.\n" \
		"A TLV stands behind the last field: the extension\n.Pq two bytes ,\nits field type\n.Pq one byte ,\n" \
		"the length of the value\n.Pq two bytes ,\nthe value.\n" \
		"adit sends these numbers little-endian and understands both byte orders.")
	print ".Sh SEE ALSO\n.Xr aditctl 1 ,\n.Xr adit-pool 8 ,\n.Xr adit-sv2-server 8 ,\n.Xr adit-template-provider 8"
}
