/* SPDX-License-Identifier: MIT */
/* run_hostile.js [TEXT]: hostile.js, or those of its tests with TEXT in their name. */
'use strict'

require('./hostile')
require('./suite').runAll()
