# SPDX-License-Identifier: MIT
# messages.awk: reads messages.def for the generators, which are given to awk behind it. Each
# statement is put into these arrays, then on_message(), on_field(), on_tlv() or on_end() is called:
#
#   by message 1..count: constant, name, title, extension, type, channel, scope, direction, largest,
#   section, help; fields (how many fields and TLVs it has)
#   by [message, field]: field_type, field_name, field_help, tlv (0, or "EXTENSION FIELD-TYPE")

# Splits at commas outside quotes into arg[1..]; a quoted argument loses its quotes.
function split_args(text,    i, c, quoted, n)
{
	split("", arg)
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

# The value of "0x1b" or "27".
function number(text,    i, value)
{
	if (text !~ /^0x/) return text + 0
	value = 0
	text = tolower(substr(text, 3))
	for (i = 1; i <= length(text); i++)
		value = value * 16 + index("0123456789abcdef", substr(text, i, 1)) - 1
	return value
}

function fail(what) { print "messages.def: " what > "/dev/stderr"; failed = 1; exit 1 }

function read_message(n)
{
	if (n != 11) fail("MESSAGE with " n " arguments: " statement)
	count++
	constant[count] = arg[1]; name[count] = arg[2]; title[count] = arg[3]
	extension[count] = number(arg[4]); type[count] = number(arg[5]); channel[count] = arg[6] + 0
	scope[count] = arg[7]; direction[count] = arg[8]; largest[count] = arg[9]
	section[count] = arg[10]; help[count] = arg[11]; fields[count] = 0
}

function read_field(kind, n,    f)
{
	if (n != (kind == "TLV" ? 6 : 4) || arg[1] != name[count]) fail("bad " kind ": " statement)
	f = ++fields[count]
	tlv[count, f] = kind == "TLV" ? number(arg[2]) " " number(arg[3]) : 0
	field_type[count, f] = arg[n - 2]; field_name[count, f] = arg[n - 1]; field_help[count, f] = arg[n]
}

function read_statement(    kind, text, n)
{
	kind = statement
	sub(/\(.*/, "", kind)
	text = statement
	sub(/^[A-Z_]+\(/, "", text)
	sub(/\)$/, "", text)
	n = split_args(text)
	if (kind == "MESSAGE") { read_message(n); on_message() }
	else if (kind == "FIELD" || kind == "TLV") { read_field(kind, n); on_field() }
	else if (kind == "END_MESSAGE") on_end()
	else fail("unknown statement: " statement)
	statement = ""
}

/^[ \t]*\/\*/ { comment = 1 }
comment { if (/\*\//) comment = 0; next }
/^#/ { directive = 1 }
directive { directive = /\\$/; next }
/^[ \t]*$/ { next }
{
	line = $0
	sub(/^[ \t]+/, "", line)
	statement = statement (statement == "" ? "" : " ") line
	if (statement ~ /\)$/) read_statement()
}
