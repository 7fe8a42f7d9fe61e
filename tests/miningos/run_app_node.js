/* SPDX-License-Identifier: MIT */
/* run_app_node.js [TEXT]: app_node_test.js, or those of its tests with TEXT in their name. */
'use strict'

require('./app_node_test')
require('./suite').runAll()
