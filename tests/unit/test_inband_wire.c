// SPDX-License-Identifier: MIT
//
// The bytes of the in-band half-close.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "netio/inband_wire.h"

static void
headers_are_little_endian(void **state)
{
    uint8_t header[WI_INBAND_HEADER];

    (void)state;
    wi_inband_put(header, 0x01020304);
    assert_int_equal(header[0], 4);
    assert_int_equal(header[1], 3);
    assert_int_equal(header[2], 2);
    assert_int_equal(header[3], 1);
    for (unsigned bit = 0; bit < 32; bit++) {
        wi_inband_put(header, UINT32_C(1) << bit);
        assert_int_equal(wi_inband_get(header), UINT32_C(1) << bit);
    }
}

static void
any_other_value_above_4096_is_bad(void **state)
{
    (void)state;
    for (uint32_t value = 0; value <= 4096; value++) {
        assert_int_equal(wi_inband_kind(value), WI_INBAND_DATA);
    }
    assert_int_equal(wi_inband_kind(0xdeadbeef), WI_INBAND_STOP);
    assert_int_equal(wi_inband_kind(0xbeefdead), WI_INBAND_END);
    assert_int_equal(wi_inband_kind(0xdeaddead), WI_INBAND_CLOSE);
    for (uint64_t value = 4097; value <= UINT32_MAX; value += 1 + value / 3) {
        assert_int_equal(wi_inband_kind((uint32_t)value), WI_INBAND_BAD);
    }
    assert_int_equal(wi_inband_kind(UINT32_MAX), WI_INBAND_BAD);
}

// Counted byte by byte beside it.
static void
payload_is_what_stands_between_the_headers(void **state)
{
    static const uint64_t sizes[] = {0, 1, 4, 4095, 4096, 4097, 8192, 8193, 20000};

    (void)state;
    for (unsigned index = 0; index < sizeof(sizes) / sizeof(sizes[0]); index++) {
        uint64_t size = sizes[index], payload = 0, wire = 0;

        assert_int_equal(wi_inband_payload(0, size), 0);
        for (uint64_t left = size; left > 0;) {
            uint64_t frame = left < WEIR_INBAND_FRAME_MAX ? left : WEIR_INBAND_FRAME_MAX;

            for (unsigned byte = 0; byte < WI_INBAND_HEADER; byte++) {
                assert_int_equal(wi_inband_payload(++wire, size), payload);
            }
            for (uint64_t byte = 0; byte < frame; byte++) {
                assert_int_equal(wi_inband_payload(++wire, size), ++payload);
            }
            left -= frame;
        }
        assert_int_equal(wire, size + wi_inband_frames(size) * WI_INBAND_HEADER);
        for (unsigned byte = 0; byte < WI_INBAND_HEADER; byte++) { // a mark behind it
            assert_int_equal(wi_inband_payload(++wire, size), size);
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_are_little_endian),
        cmocka_unit_test(any_other_value_above_4096_is_bad),
        cmocka_unit_test(payload_is_what_stands_between_the_headers),
    };

    return cmocka_run_group_tests_name("unit.inband_wire", tests, NULL, NULL);
}
