# SPDX-License-Identifier: MIT
# For tests that need Node.js: without it they are skipped, and say so.
if ! node -e 'process.exit(Number(process.versions.node.split(".")[0]) >= 18 ? 0 : 1)' 2>/dev/null; then
	echo 'needs Node.js 18 or newer (Debian: nodejs)'
	exit 77
fi
