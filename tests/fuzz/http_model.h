/* SPDX-License-Identifier: MIT */
#ifndef TESTS_FUZZ_HTTP_MODEL_H
#define TESTS_FUZZ_HTTP_MODEL_H

// HTTP/1.1 a second time, simply, and without a look at the library's: what requests must be made
// of bytes, and whether responses are ones. Where the two must agree they are compared.

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum model_verdict {
    MODEL_UNKNOWN, // outside of what the model is sure of
    MODEL_ACCEPT,
    MODEL_REFUSE, // may not be taken for a message
    MODEL_MORE,   // the bytes end before it does
};

#define MODEL_TEXT_MAX 256u

struct model_message {
    enum model_verdict head;
    enum model_verdict body; // when the head is accepted
    unsigned status;         // of a response
    char method[16];
    char target[MODEL_TEXT_MAX];
    unsigned minor;
    unsigned fields;
    uint64_t fields_hash; // of names and values, one after another
    bool closes;          // nothing may follow on the connection
    bool expects;
    bool is_chunked;
    bool is_to_close; // a response's body: all there is
    size_t body_size;
    uint64_t body_hash;
    size_t end; // of it in the bytes, when both are accepted
};

// A hash of bytes that come in pieces: begin with MODEL_HASH.
#define MODEL_HASH UINT64_C(14695981039346656037)
uint64_t model_hash(uint64_t hash, const void *data, size_t size);

// The request that these bytes begin with.
struct model_message model_request(const char *data, size_t size);

// Likewise the response, perhaps one of 1xx, to a request that is a HEAD or not.
struct model_message model_response(const char *data, size_t size, bool is_head);

// ---- responses --------------------------------------------------------------------------------

// How a response's body has to be framed.
enum model_framing {
    MODEL_NONE,
    MODEL_LENGTH,
    MODEL_CHUNKS,
    MODEL_TO_CLOSE,
};

// What was answered. The body is as it was given, in `body` of its list.
struct model_answer {
    unsigned status;
    enum model_framing framing;
    bool has_100;     // a 100 comes before
    bool has_103;     // a 103 comes before
    bool has_trailer; // X-Last: yes
    bool is_complete; // its end was given, too
    bool is_raw;      // a 101: all behind it is raw
    size_t body_at;
    size_t body_size;
};

#define MODEL_ANSWERS_MAX 256u
#define MODEL_BODIES_MAX  (1u << 19)

struct model_answers {
    unsigned count;
    struct model_answer list[MODEL_ANSWERS_MAX];
    bool ends_with_100; // a client was told to go on, and no answer came
    size_t bodies_size;
    char bodies[MODEL_BODIES_MAX];
    unsigned refusal;    // found by model_check_output(): the status of a refusal, 0: none
    size_t refusal_at;   // likewise: where it begins, or the output's end
    bool has_said_close; // likewise: the last response that is complete says so
    size_t raw_at;       // likewise: where the raw bytes begin
};

// The bytes that were sent are these answers in their order, each well formed, then perhaps one
// refusal, and nothing else. @p is_cut: the connection was reset, so that any tail may lack. Ends
// the process if not.
void model_check_output(struct model_answers *answers, const char *output, size_t size,
                        bool is_cut);

#endif /* TESTS_FUZZ_HTTP_MODEL_H */
