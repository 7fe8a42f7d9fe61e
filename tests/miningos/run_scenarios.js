/* SPDX-License-Identifier: MIT */
/* run_scenarios.js [TEXT]: the scenarios, or those with TEXT in their name. */
'use strict'

require('./scenarios')
require('./suite').runAll()
