# SPDX-License-Identifier: MIT
# Makes a C header of the files of a new plugin: awk -f gen-skeleton.awk OUTPUT-NAME=FILE ...
BEGIN {
	print "/* Made by gen-skeleton.awk. */"
	for (i = 1; i < ARGC; i++) {
		split(ARGV[i], part, "=")
		name[i] = part[1]
		printf "static const char *const skeleton_%d[] = {\n", i
		while ((result = (getline line < part[2])) > 0) {
			gsub(/\\/, "&&", line)
			gsub(/"/, "\\\"", line)
			gsub(/\t/, "\\t", line)
			printf "    \"%s\\n\",\n", line
		}
		if (result < 0) {
			print "gen-skeleton.awk: can't read " part[2] > "/dev/stderr"
			exit 1
		}
		print "    NULL,\n};"
	}
	print "static const struct skeleton_file skeleton_files[] = {"
	for (i = 1; i < ARGC; i++)
		printf "    {\"%s\", skeleton_%d},\n", name[i], i
	print "};"
	exit
}
