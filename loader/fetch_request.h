/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a background fetch says to the origin: the original request in libcurl's terms. Pure.
 */
#ifndef ZS_FETCH_REQUEST_H
#define ZS_FETCH_REQUEST_H

#include "fetch.h"

#include <curl/curl.h>

#define ZS_FETCH_URL_MAX 80

/* The fields to repeat (zs_fetch_start says which), on the heap, for CURLOPT_HTTPHEADER. Also
 * checks that the target is a plain origin form of at most ZS_TARGET_MAX bytes and the one of the
 * head. -EINVAL: not a strict head, Host missing or twice, a Connection field that names others;
 * -ENOMEM. */
int zs_fetch_fields(const struct zs_fetch_request *request, struct curl_slist **out);

/* "http://ADDRESS:PORT/": there is nothing in it to resolve. -EINVAL: no port. */
int zs_fetch_url(const struct zs_origin_key *to, char url[ZS_FETCH_URL_MAX]);

#endif
