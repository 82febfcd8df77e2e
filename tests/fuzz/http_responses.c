/* SPDX-License-Identifier: MIT */
// What was sent, read by hand and to the letter.

#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/http_model.h"

#include <string.h>

struct reader {
    const char *begin;
    const char *at;
    const char *end;
    bool is_cut;
    bool is_over; // cut off here
};

// How a response's head says that its body is framed.
struct said {
    unsigned status;
    bool has_length;
    bool is_chunked;
    bool closes;
    bool has_date;
    uint64_t length;
};

#define require_at(reader, condition)                                                             \
    do {                                                                                          \
        if (!(condition)) {                                                                       \
            fprintf(stderr, "at byte %td of the output:\n%.*s\n", (reader)->at - (reader)->begin, \
                    (int)((reader)->end - (reader)->begin), (reader)->begin);                     \
            fuzz_require(condition);                                                              \
        }                                                                                         \
    } while (0)

// The output is over before so many bytes have come, which only a reset may do.
static bool
lacks(struct reader *reader, size_t size)
{
    if ((size_t)(reader->end - reader->at) < size) {
        require_at(reader, reader->is_cut);
        reader->is_over = true;
    }
    return reader->is_over;
}

static void
expect(struct reader *reader, const char *text, size_t size)
{
    if (!reader->is_over && !lacks(reader, size)) {
        require_at(reader, memcmp(reader->at, text, size) == 0);
        reader->at += size;
    }
}

static void
expect_text(struct reader *reader, const char *text)
{
    expect(reader, text, strlen(text));
}

// Up to CR LF, of which neither may stand alone.
static size_t
line_size(struct reader *reader)
{
    for (size_t i = 0; reader->at + i < reader->end; i++) {
        char c = reader->at[i];

        require_at(reader, c != '\n');
        if (c == '\r') {
            if (reader->at + i + 1 == reader->end) {
                break;
            }
            require_at(reader, reader->at[i + 1] == '\n');
            return i;
        }
        require_at(reader, (unsigned char)c >= ' ' || c == '\t');
    }
    lacks(reader, SIZE_MAX);
    return 0;
}

/* ---- heads ---- */

static bool
is_line(const struct reader *reader, size_t size, const char *text)
{
    return size == strlen(text) && memcmp(reader->at, text, size) == 0;
}

// Of the right shape: letters, digits, and the rest as it is here.
static bool
is_date(const struct reader *reader, size_t size)
{
    static const char shape[] = "Date: Aaa, 00 Aaa 0000 00:00:00 GMT";

    if (size != sizeof(shape) - 1) {
        return false;
    }
    for (size_t i = 0; i < size; i++) {
        char c = reader->at[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

        if (i >= 6 && (shape[i] == 'A' || shape[i] == 'a') ? !is_letter
            : shape[i] == '0'                              ? c < '0' || c > '9'
                                                           : c != shape[i]) {
            return false;
        }
    }
    return true;
}

static void
read_field(struct reader *reader, size_t size, struct said *said)
{
    static const char length[] = "Content-Length: ";

    if (is_line(reader, size, "Transfer-Encoding: chunked")) {
        require_at(reader, !said->is_chunked);
        said->is_chunked = true;
    } else if (is_date(reader, size)) {
        require_at(reader, !said->has_date);
        said->has_date = true;
    } else if (is_line(reader, size, "Connection: close")) {
        require_at(reader, !said->closes);
        said->closes = true;
    } else if (size > sizeof(length) - 1 && memcmp(reader->at, length, sizeof(length) - 1) == 0) {
        require_at(reader, !said->has_length);
        said->has_length = true;
        for (size_t i = sizeof(length) - 1; i < size; i++) {
            require_at(reader, reader->at[i] >= '0' && reader->at[i] <= '9');
            said->length = said->length * 10 + (uint64_t)(reader->at[i] - '0');
        }
    } else {
        require_at(reader, is_line(reader, size, "Connection: keep-alive") ||
                               is_line(reader, size, "Connection: Upgrade") ||
                               is_line(reader, size, "Upgrade: raw") ||
                               is_line(reader, size, "X-Answer: yes"));
    }
}

// False: the output is over.
static bool
read_head(struct reader *reader, struct said *said)
{
    size_t size;

    *said = (struct said){0};
    expect_text(reader, "HTTP/1.1 ");
    if (reader->is_over || lacks(reader, 4)) {
        return false;
    }
    for (unsigned i = 0; i < 3; i++, reader->at++) {
        require_at(reader, *reader->at >= '0' && *reader->at <= '9');
        said->status = said->status * 10 + (unsigned)(*reader->at - '0');
    }
    require_at(reader, *reader->at == ' ');
    size = line_size(reader);
    while (!reader->is_over) {
        reader->at += size + 2;
        size = line_size(reader);
        if (!reader->is_over && size == 0) {
            reader->at += 2;
            require_at(reader, !(said->is_chunked && said->has_length));
            return true;
        }
        if (!reader->is_over) {
            read_field(reader, size, said);
        }
    }
    return false;
}

/* ---- bodies ---- */

static void
read_chunks(struct reader *reader, const struct model_answer *answer, const char *body)
{
    size_t left = answer->body_size;
    uint64_t size;

    do {
        size_t line = line_size(reader);

        size = 0;
        require_at(reader, reader->is_over ||
                               (line != 0 && line <= 8 && (line == 1 || *reader->at != '0')));
        for (; line != 0; line--, reader->at++) {
            static const char digits[] = "0123456789abcdef";
            const char *digit = strchr(digits, *reader->at);

            require_at(reader, digit != NULL && *digit != '\0');
            size = size * 16 + (uint64_t)(digit - digits);
        }
        expect_text(reader, "\r\n");
        require_at(reader, reader->is_over || size <= left);
        expect(reader, body, (size_t)size);
        body += size;
        left -= reader->is_over ? 0 : (size_t)size;
        if (size != 0) {
            expect_text(reader, "\r\n");
        }
    } while (size != 0 && !reader->is_over);
    require_at(reader, reader->is_over || left == 0);
    expect_text(reader, answer->has_trailer ? "X-Last: yes\r\n\r\n" : "\r\n");
}

static void
read_body(struct reader *reader, const struct model_answer *answer, const struct said *said,
          const char *body)
{
    require_at(reader, said->is_chunked == (answer->framing == MODEL_CHUNKS));
    switch (answer->framing) {
    case MODEL_LENGTH:
        require_at(reader, said->has_length);
        require_at(reader, !answer->is_complete || said->length == answer->body_size);
        expect(reader, body, answer->body_size);
        break;
    case MODEL_CHUNKS:
        read_chunks(reader, answer, body);
        break;
    case MODEL_TO_CLOSE:
        require_at(reader, !said->has_length && said->closes);
        expect(reader, body, answer->body_size);
        break;
    default: // no body follows, whatever length is told
        break;
    }
}

// A response whose end was never given: its body is a part of what was, and the output's end.
static void
read_incomplete(struct reader *reader)
{
    reader->is_cut = true;
}

/* ---- one after another ---- */

static void
read_interim(struct reader *reader, const struct model_answer *answer)
{
    if (answer->has_100) {
        expect_text(reader, "HTTP/1.1 100 Continue\r\n\r\n");
    }
    if (answer->has_103) {
        expect_text(reader, "HTTP/1.1 103 Early Hints\r\nX-Answer: yes\r\n\r\n");
    }
}

static bool
is_refusal(unsigned status)
{
    static const unsigned all[] = {400, 408, 413, 414, 417, 431, 501, 505};

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if (all[i] == status) {
            return true;
        }
    }
    return false;
}

static void
read_refusal(struct reader *reader, struct model_answers *answers)
{
    struct said said;

    answers->refusal_at = (size_t)(reader->at - reader->begin);
    if (read_head(reader, &said)) {
        require_at(reader, is_refusal(said.status) && said.closes && said.has_length);
        require_at(reader, said.length == 0 && reader->at == reader->end);
        answers->refusal = said.status;
        answers->has_said_close = true;
    }
}

void
model_check_output(struct model_answers *answers, const char *output, size_t size, bool is_cut)
{
    struct reader reader = {output, output, output + size, is_cut, false};

    answers->refusal = 0;
    answers->refusal_at = size;
    answers->has_said_close = false;
    for (unsigned i = 0; i < answers->count && !reader.is_over; i++) {
        const struct model_answer *answer = &answers->list[i];
        struct said said;

        require_at(&reader, !answers->has_said_close);
        if (!answer->is_complete) {
            read_incomplete(&reader);
        }
        read_interim(&reader, answer);
        if (reader.is_over || !read_head(&reader, &said)) {
            break;
        }
        require_at(&reader, said.status == answer->status);
        if (answer->is_raw) {
            answers->raw_at = (size_t)(reader.at - output);
            return;
        }
        read_body(&reader, answer, &said, answers->bodies + answer->body_at);
        answers->has_said_close = said.closes && answer->is_complete && !reader.is_over;
    }
    if (answers->ends_with_100) {
        read_interim(&reader, &(struct model_answer){.has_100 = true});
    }
    if (!reader.is_over && reader.at != reader.end) {
        require_at(&reader, !answers->has_said_close);
        read_refusal(&reader, answers);
    }
}
