package org.junit

@Retention(AnnotationRetention.RUNTIME)
annotation class Test

object Assert {
  @JvmStatic
  fun assertEquals(expected: Any?, actual: Any?) {
    if (expected != actual) throw AssertionError("expected $expected, got $actual")
  }

  @JvmStatic
  fun assertEquals(message: String, expected: Float, actual: Float, delta: Float) {
    if (!(Math.abs(expected - actual) <= delta)) throw AssertionError("$message: expected $expected, got $actual")
  }
}
