/*
 * Byte buffers, and as much of msgpack as the pilot protocol needs (docs/reference/protocol.md):
 * writing the shortest forms, reading values that the engine sent, skipping the rest.
 */
#ifndef JUMBO_BENCH_BYTES_H
#define JUMBO_BENCH_BYTES_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
  uint8_t* data;
  size_t size;
  size_t capacity;
} Buffer;

/* Room for `more` bytes behind `size`; never fails (the process ends when memory does). */
void buffer_reserve(Buffer* buffer, size_t more);
void buffer_put(Buffer* buffer, const void* bytes, size_t size);
void buffer_drop(Buffer* buffer, size_t size);

/* A frame: u32 big-endian length, filled in by frame_end. Returns where it begins. */
size_t frame_begin(Buffer* out);
void frame_end(Buffer* out, size_t start);

void put_unsigned(Buffer* out, uint64_t value);
void put_array(Buffer* out, uint32_t items);
void put_text(Buffer* out, const char* text);
/* Header of a bin of `size` bytes; returns the offset of its first byte, already reserved. */
size_t put_bin(Buffer* out, uint32_t size);
void put_minus_one(Buffer* out);

typedef struct {
  const uint8_t* at;
  const uint8_t* end;
} Cursor;

/* Each ends the process if the engine sent another form: then the bench measures nonsense. */
uint64_t get_unsigned(Cursor* in);
uint32_t get_array(Cursor* in);
const uint8_t* get_bin(Cursor* in, uint32_t* size);
void skip_value(Cursor* in);

uint32_t read_u32be(const uint8_t* at);
_Noreturn void die(const char* format, ...) __attribute__((format(printf, 1, 2)));

#endif
