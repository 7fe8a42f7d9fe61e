/* SPDX-License-Identifier: MIT */
/* method.h: what the methods of NodeAPI (methods.c, queries.c) share. */
#ifndef NODE_METHOD_H
#define NODE_METHOD_H

#include <json-c/json_types.h>
#include <stdbool.h>
#include <stdint.h>

#include "host/node/service.h"

/* Answers REQUEST with an error. */
void method_refuse(struct service *s, struct adit_request *request, int32_t error,
		   const char *message);
/* Answers with OBJECT, which it takes over; NULL is answered as a lack of memory. */
void method_reply(struct service *s, struct adit_request *request, struct json_object *object);
/* Answers with ADIT_E_UNAVAILABLE and returns false unless the node is usable. */
bool method_ready(struct service *s, struct adit_request *request);
/* What makes history or traffic is for the administrator, not for roles. Answers when it is not. */
bool method_from_administrator(struct service *s, struct adit_request *request,
			       const struct adit_request_info *info);
/* Answers and returns false when the caller asks too much (limiter.h). */
bool method_within_limit(struct service *s, struct adit_request *request,
			 const struct adit_request_info *info);
/* A request for the backend; NULL after an answer when LIMIT are under way. */
struct service_request *method_request(struct service *s, struct adit_request *request,
				       size_t limit);
/* Registers the methods of queries.c. */
int32_t queries_register(struct service *s);

#endif
