/* SPDX-License-Identifier: MIT */
/* test_noise_keys.c: the text forms of authority keys and their files. */
#include "config.h"

#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/bitcoin/address.h"
#include "lib/noise/identity.h"
#include "lib/noise/keys.h"
#include "lib/util/hex.h"

/* The key pair that the example configurations of the Stratum V2 reference implementation use; its
 * secret is public knowledge. */
#define DEMO_PUBLIC "9auqWEzQDVyd2oe1JVGFLMLHZtCo2FFqZwtKA5gd9xbuEu7PH72"
#define DEMO_X "24ee3c3804a1aaa4c03b80ea19f7a5863c916e8994b7db94a3bad7ee092b6ce7"
#define DEMO_SECRET "mkDLTBBRxdBv998612qipDYoTK3YUrqLe8uWw7gu3iXbSrn2n"
#define DEMO_SECRET_HEX "65995eb19631f478a46ffa5cf1e545091efe950eaeac7482ffdc06eb6a89f697"

static char directory[] = "/tmp/adit-test-XXXXXX";
static char path[sizeof(directory) + 16];

static void assert_hex32(const uint8_t bytes[32], const char *text)
{
	char shown[65];

	hex_encode(bytes, 32, shown);
	ck_assert_str_eq(shown, text);
}

static void setup(void)
{
	memcpy(directory + strlen(directory) - 6, "XXXXXX", 6);
	ck_assert_ptr_nonnull(mkdtemp(directory));
	(void)snprintf(path, sizeof(path), "%s/authority.key", directory);
}

/* Removes the directory and tells how many files were in it. */
static int remove_all(void)
{
	DIR *d = opendir(directory);
	const struct dirent *entry;
	int count = 0;

	ck_assert_ptr_nonnull(d);
	while ((entry = readdir(d)) != NULL) {
		char name[sizeof(directory) + 260];

		if (entry->d_name[0] == '.')
			continue;
		(void)snprintf(name, sizeof(name), "%s/%s", directory, entry->d_name);
		ck_assert_int_eq(unlink(name), 0);
		count++;
	}
	(void)closedir(d);
	ck_assert_int_eq(rmdir(directory), 0);
	return count;
}

static void teardown(void)
{
	if (access(directory, F_OK) == 0)
		(void)remove_all();
}

static void write_file(const char *text, mode_t mode)
{
	FILE *out = fopen(path, "w");

	ck_assert_ptr_nonnull(out);
	ck_assert_int_ge(fputs(text, out), 0);
	ck_assert_int_eq(fclose(out), 0);
	ck_assert_int_eq(chmod(path, mode), 0);
}

START_TEST(text_vectors)
{
	char text[NOISE_KEY_TEXT_SIZE];
	uint8_t key[32];

	/* Stratum V2 specification, section 4.7. */
	ck_assert_int_eq(
	    noise_public_parse("9bXiEd8boQVhq7WddEcERUL5tyyJVFYdU8th3HfbNXK3Yw6GRXh", key, NULL),
	    ADIT_OK);
	assert_hex32(key, "76637000979c1c11af0c300bcd8c7fe48610fce9b9c11e3daee35ae0b08a7455");
	noise_public_format(key, text);
	ck_assert_str_eq(text, "9bXiEd8boQVhq7WddEcERUL5tyyJVFYdU8th3HfbNXK3Yw6GRXh");
	ck_assert_int_eq(noise_public_parse(DEMO_PUBLIC, key, NULL), ADIT_OK);
	assert_hex32(key, DEMO_X);
	ck_assert_int_eq(noise_secret_parse(DEMO_SECRET, key, NULL), ADIT_OK);
	assert_hex32(key, DEMO_SECRET_HEX);
	noise_secret_format(key, text);
	ck_assert_str_eq(text, DEMO_SECRET);
	ck_assert_int_eq(noise_key_public(key, key), ADIT_OK);
	assert_hex32(key, DEMO_X);
	/* The authority of the handshake's transcript, see test_noise.c. */
	memset(key, 0x44, sizeof(key));
	ck_assert_int_eq(noise_key_public(key, key), ADIT_OK);
	noise_public_format(key, text);
	ck_assert_str_eq(text, "9axyEG5bASfivgHzqZTvGPnforoki8Z1qXvSAe6CbAK3wFAVETn");
}
END_TEST

/* The texts of the longest keys fit, and survive the way there and back. */
START_TEST(text_there_and_back)
{
	char text[NOISE_KEY_TEXT_SIZE];
	uint8_t secret[32], x[32], again[32];

	for (int i = 0; i < 50; i++) {
		ck_assert_int_eq(noise_key_generate(secret, x), ADIT_OK);
		noise_secret_format(secret, text);
		ck_assert_int_eq(noise_secret_parse(text, again, NULL), ADIT_OK);
		ck_assert_mem_eq(secret, again, 32);
		noise_public_format(x, text);
		ck_assert_int_eq(noise_public_parse(text, again, NULL), ADIT_OK);
		ck_assert_mem_eq(x, again, 32);
	}
}
END_TEST

static void refuse_public(const char *text, const char *reason)
{
	struct error e = {.text = ""};
	uint8_t x[32];

	ck_assert_int_eq(noise_public_parse(text, x, &e), ADIT_E_INVALID_ARGUMENT);
	ck_assert_msg(strstr(e.text, reason) != NULL, "%s", e.text);
	ck_assert_ptr_null(strstr(e.text, DEMO_SECRET));
}

START_TEST(public_text_refused)
{
	uint8_t payload[34] = {0};
	char text[NOISE_KEY_TEXT_SIZE];

	refuse_public("", "not Base58Check");
	refuse_public("9auqWEzQDVyd2oe1JVGFLMLHZtCo2FFqZwtKA5gd9xbuEu7PH71", "not Base58Check");
	refuse_public("0OIl", "not Base58Check");
	refuse_public(DEMO_SECRET, "this is a secret key");
	payload[0] = 2;
	ck_assert(base58check_encode(payload, sizeof(payload), text, sizeof(text)));
	refuse_public(text, "unknown version");
	payload[0] = 1; /* x = 0 is on no point */
	ck_assert(base58check_encode(payload, sizeof(payload), text, sizeof(text)));
	refuse_public(text, "not a point");
}
END_TEST

static void refuse_secret(const char *text, const char *reason)
{
	struct error e = {.text = ""};
	uint8_t secret[32];

	ck_assert_int_eq(noise_secret_parse(text, secret, &e), ADIT_E_INVALID_ARGUMENT);
	ck_assert_msg(strstr(e.text, reason) != NULL, "%s", e.text);
}

START_TEST(secret_text_refused)
{
	uint8_t payload[32] = {0};
	char text[NOISE_KEY_TEXT_SIZE];

	refuse_secret("mkDLTBBRxdBv998612qipDYoTK3YUrqLe8uWw7gu3iXbSrn2m", "not Base58Check");
	refuse_secret(DEMO_PUBLIC, "this is a public key");
	ck_assert(base58check_encode(payload, sizeof(payload), text, sizeof(text)));
	refuse_secret(text, "zero");
	memset(payload, 0xff, sizeof(payload));
	ck_assert(base58check_encode(payload, sizeof(payload), text, sizeof(text)));
	refuse_secret(text, "curve's order");
}
END_TEST

START_TEST(file_is_created_once)
{
	uint8_t secret[32], loaded[32], other[32];
	struct error e = {.text = ""};
	struct stat st;

	umask(0);
	ck_assert_int_eq(noise_key_load(path, loaded, &e), ADIT_E_NOT_FOUND);
	ck_assert_msg(noise_key_create(path, secret, &e) == ADIT_OK, "%s", e.text);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	ck_assert_msg(noise_key_load(path, loaded, &e) == ADIT_OK, "%s", e.text);
	ck_assert_mem_eq(secret, loaded, 32);
	ck_assert_int_eq(noise_key_create(path, other, &e), ADIT_E_EXISTS);
	ck_assert_ptr_nonnull(strstr(e.text, "not overwritten"));
	ck_assert_int_eq(noise_key_load_or_create(path, loaded, &e), ADIT_OK);
	ck_assert_mem_eq(secret, loaded, 32);
	ck_assert_int_eq(remove_all(), 1); /* nothing was left beside it */
}
END_TEST

START_TEST(file_at_first_start)
{
	uint8_t secret[32], again[32];
	struct error e;

	ck_assert_int_eq(noise_key_load_or_create(path, secret, &e), ADIT_OK);
	ck_assert_int_eq(noise_key_load_or_create(path, again, &e), ADIT_OK);
	ck_assert_mem_eq(secret, again, 32);
}
END_TEST

START_TEST(file_that_others_can_read)
{
	static const mode_t modes[] = {0640, 0604, 0620, 0644, 0666};
	uint8_t secret[32];
	struct error e;

	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		write_file(DEMO_SECRET "\n", modes[i]);
		ck_assert_int_eq(noise_key_load(path, secret, &e), ADIT_E_PERMISSION_DENIED);
		ck_assert_ptr_nonnull(strstr(e.text, "chmod 600 /tmp/adit-test-"));
		/* Nor does a server that finds such a file replace it by another key. */
		ck_assert_int_eq(noise_key_load_or_create(path, secret, &e),
				 ADIT_E_PERMISSION_DENIED);
	}
	ck_assert_int_eq(chmod(path, 0600), 0);
	ck_assert_int_eq(noise_key_load(path, secret, &e), ADIT_OK);
	assert_hex32(secret, DEMO_SECRET_HEX);
	ck_assert_int_eq(chmod(path, 0400), 0);
	ck_assert_int_eq(noise_key_load(path, secret, &e), ADIT_OK);
}
END_TEST

START_TEST(file_with_other_contents)
{
	static const char *const contents[] = {
	    "",
	    "\n",
	    "\n" DEMO_SECRET,
	    DEMO_SECRET "x\n",
	    DEMO_PUBLIC "\n",
	    DEMO_SECRET DEMO_SECRET DEMO_SECRET,
	};
	uint8_t secret[32];
	struct error e;

	for (size_t i = 0; i < sizeof(contents) / sizeof(contents[0]); i++) {
		write_file(contents[i], 0600);
		ck_assert_int_eq(noise_key_load(path, secret, &e), ADIT_E_CONFIG);
		ck_assert_ptr_nonnull(strstr(e.text, "authority.key: authority secret key"));
		ck_assert_ptr_null(strstr(e.text, DEMO_SECRET));
	}
	ck_assert_int_eq(noise_key_load(directory, secret, &e), ADIT_E_CONFIG);
	write_file(DEMO_SECRET, 0600); /* an editor may leave the newline out */
	ck_assert_int_eq(noise_key_load(path, secret, &e), ADIT_OK);
	write_file(DEMO_SECRET "\r\n", 0600);
	ck_assert_int_eq(noise_key_load(path, secret, &e), ADIT_OK);
}
END_TEST

START_TEST(file_in_no_directory)
{
	uint8_t secret[32];
	struct error e;

	ck_assert_int_eq(noise_key_create("/nonexistent/adit/authority.key", secret, &e),
			 ADIT_E_NOT_FOUND);
	ck_assert_ptr_nonnull(strstr(e.text, "/nonexistent/adit/authority.key"));
}
END_TEST

START_TEST(public_file)
{
	uint8_t x[32], loaded[32];
	struct error e = {.text = ""};
	struct stat st;

	ck_assert(hex_decode(DEMO_X, x, 32));
	umask(077);
	write_file("an older key", 0600);
	ck_assert_msg(noise_public_store(path, x, &e) == ADIT_OK, "%s", e.text);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0644);
	ck_assert_msg(noise_public_load(path, loaded, &e) == ADIT_OK, "%s", e.text);
	ck_assert_mem_eq(x, loaded, 32);
	ck_assert_int_eq(remove_all(), 1);
}
END_TEST

/* An authority that never sees the server's secret, a server that never sees the authority's. */
START_TEST(identity_signed_elsewhere)
{
	char key[sizeof(path)], request[sizeof(path)], certificate[sizeof(path)];
	uint8_t authority[32], authority_x[32], x[32], shown[32];
	struct noise_identity id, signed_id = {0};
	struct error e;
	FILE *f;

	setup();
	(void)snprintf(key, sizeof(key), "%s/static", directory);
	(void)snprintf(request, sizeof(request), "%s/request", directory);
	(void)snprintf(certificate, sizeof(certificate), "%s/cert", directory);
	ck_assert_int_eq(noise_key_generate(authority, authority_x), ADIT_OK);
	ck_assert_int_eq(noise_identity_load(&id, shown, key, certificate, 10000, &e),
			 ADIT_E_NOT_FOUND);
	ck_assert_ptr_nonnull(strstr(e.text, "aditctl keys request"));
	ck_assert_int_eq(noise_request_create(key, request, x, &e), ADIT_OK);
	ck_assert_int_eq(noise_identity_load(&id, shown, key, certificate, 10000, &e),
			 ADIT_E_NOT_FOUND);
	ck_assert_ptr_nonnull(strstr(e.text, "aditctl keys sign"));
	ck_assert_int_eq(
	    noise_request_sign(authority, request, certificate, 10000, 500, 100, &signed_id, &e),
	    ADIT_OK);
	ck_assert_int_eq(noise_identity_load(&id, shown, key, certificate, 10000, &e), ADIT_OK);
	ck_assert_mem_eq(shown, authority_x, 32);
	ck_assert_mem_eq(id.x, x, 32);
	ck_assert_uint_eq(id.valid_from, 9900);
	ck_assert_uint_eq(id.not_valid_after, 10500);
	ck_assert_int_eq(
	    noise_certificate_verify(id.certificate, id.x, authority_x, 10000, 0, NULL), ADIT_OK);
	/* before and after its time */
	ck_assert_int_eq(noise_identity_load(&id, shown, key, certificate, 9000, &e),
			 ADIT_E_CONFIG);
	ck_assert_int_eq(noise_identity_load(&id, shown, key, certificate, 10501, &e),
			 ADIT_E_CONFIG);
	ck_assert_ptr_nonnull(strstr(e.text, "renew the certificate"));
	/* another key than the one that was signed; the request of a key that is there is made
	 * again */
	ck_assert_int_eq(noise_request_create(key, request, shown, &e), ADIT_OK);
	ck_assert_mem_eq(shown, x, 32);
	ck_assert_int_eq(unlink(key), 0);
	ck_assert_int_eq(noise_request_create(key, request, x, &e), ADIT_OK);
	ck_assert_int_eq(noise_identity_load(&id, shown, key, certificate, 10000, &e),
			 ADIT_E_CONFIG);
	ck_assert_ptr_nonnull(strstr(e.text, "another key"));
	/* the authority does not sign itself */
	ck_assert_int_eq(noise_public_store(request, authority_x, &e), ADIT_OK);
	ck_assert_int_eq(
	    noise_request_sign(authority, request, certificate, 10000, 500, 100, &signed_id, &e),
	    ADIT_E_INVALID_ARGUMENT);
	/* rubbish, and a signature that was tampered with */
	f = fopen(certificate, "r+");
	ck_assert(f != NULL && fseek(f, -8, SEEK_END) == 0 && fputs("00000", f) >= 0);
	(void)fclose(f);
	ck_assert_int_eq(noise_identity_load(&id, shown, key, certificate, 10000, &e),
			 ADIT_E_CONFIG);
	f = fopen(certificate, "w");
	ck_assert(f != NULL && fputs("authority x\nstatic\n", f) >= 0);
	(void)fclose(f);
	ck_assert_int_eq(noise_identity_load(&id, shown, key, certificate, 10000, &e),
			 ADIT_E_CONFIG);
	ck_assert_ptr_nonnull(strstr(e.text, "not a certificate"));
	(void)remove_all();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("noise-keys");
	TCase *texts = tcase_create("texts");
	TCase *files = tcase_create("files");
	SRunner *runner;
	int failed;

	tcase_add_test(texts, text_vectors);
	tcase_add_test(texts, text_there_and_back);
	tcase_add_test(texts, public_text_refused);
	tcase_add_test(texts, secret_text_refused);
	tcase_add_checked_fixture(files, setup, teardown);
	tcase_add_test(files, file_is_created_once);
	tcase_add_test(files, file_at_first_start);
	tcase_add_test(files, file_that_others_can_read);
	tcase_add_test(files, file_with_other_contents);
	tcase_add_test(files, file_in_no_directory);
	tcase_add_test(files, public_file);
	tcase_add_test(files, identity_signed_elsewhere);
	suite_add_tcase(suite, texts);
	suite_add_tcase(suite, files);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
