// LiteRT's Kotlin API, as far as the packages use it: signatures as published for 2.3, and a bridge
// to LiteRT in Python (bridge.py) behind them.
package com.google.ai.edge.litert

import android.content.res.AssetManager
import java.io.DataInputStream
import java.io.DataOutputStream
import java.io.File
import java.nio.ByteBuffer
import java.nio.ByteOrder

enum class Accelerator(val value: Int) { NONE(0), CPU(1), GPU(2), NPU(3) }

enum class Status(val code: Int) { ErrorInvalidArgument(1), ErrorNotFound(6) }

class LiteRtException(private val status: Status, message: String) : Exception(message)

class TensorBuffer internal constructor(internal val name: String) : AutoCloseable {
  internal var kind = ""
  internal var bytes = ByteArray(0)
  private var closed = false

  fun writeInt(data: IntArray) = put("int32", data.size * 4) { into -> data.forEach { into.putInt(it) } }
  fun writeFloat(data: FloatArray) = put("float32", data.size * 4) { into -> data.forEach { into.putFloat(it) } }
  fun writeInt8(data: ByteArray) = put("int8", data.size) { into -> into.put(data) }
  fun writeBoolean(data: BooleanArray) = put("bool", data.size) { into -> data.forEach { into.put(if (it) 1 else 0) } }
  fun writeLong(data: LongArray) = put("int64", data.size * 8) { into -> data.forEach { into.putLong(it) } }

  fun readInt() = take("int32").let { from -> IntArray(bytes.size / 4) { from.getInt() } }
  fun readFloat() = take("float32").let { from -> FloatArray(bytes.size / 4) { from.getFloat() } }
  fun readInt8() = take("int8").let { bytes.copyOf() }
  fun readBoolean() = take("bool").let { from -> BooleanArray(bytes.size) { from.get() != 0.toByte() } }
  fun readLong() = take("int64").let { from -> LongArray(bytes.size / 8) { from.getLong() } }

  override fun close() { closed = true }

  private fun put(kind: String, size: Int, write: (ByteBuffer) -> Unit) {
    check(!closed) { "The handle has been destroyed." }
    bytes = ByteArray(size)
    write(ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN))
    this.kind = kind
  }

  private fun take(expected: String): ByteBuffer {
    check(!closed) { "The handle has been destroyed." }
    if (kind != expected) throw LiteRtException(Status.ErrorInvalidArgument, "$name is $kind, not $expected")
    return ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN)
  }
}

class CompiledModel private constructor(path: File, options: Options) : AutoCloseable {
  data class CpuOptions(
    val numThreads: Int? = null,
    val xnnPackFlags: Int? = null,
    val xnnPackWeightCachePath: String? = null,
  )

  class Options(internal val accelerators: Set<Accelerator>) {
    constructor(vararg accelerators: Accelerator) : this(setOf(*accelerators))

    var cpuOptions: CpuOptions? = null

    companion object {
      val CPU = Options(Accelerator.CPU)
    }
  }

  private val process = ProcessBuilder(
    System.getenv("PYTHON"), System.getenv("BRIDGE"), path.path, "${options.cpuOptions?.numThreads ?: 1}",
  ).redirectError(ProcessBuilder.Redirect.INHERIT).start()
  private val into = DataOutputStream(process.outputStream.buffered())
  private val from = DataInputStream(process.inputStream.buffered())
  private val inputs = names()
  private val outputs = names()

  fun createInputBuffer(inputName: String, signature: String? = null) = buffer(inputName, inputs)

  fun createOutputBuffer(outputName: String, signature: String? = null) = buffer(outputName, outputs)

  fun run(inputs: Map<String, TensorBuffer>, outputs: Map<String, TensorBuffer>, signature: String? = null) {
    for (name in this.inputs) {
      val buffer = inputs.getValue(name)
      into.writeUTF(buffer.kind)
      into.writeInt(buffer.bytes.size)
      into.write(buffer.bytes)
    }
    into.flush()
    for (name in this.outputs) {
      val kind = from.readUTF()
      if (kind.startsWith("error")) throw LiteRtException(Status.ErrorInvalidArgument, kind)
      outputs.getValue(name).kind = kind
      outputs.getValue(name).bytes = ByteArray(from.readInt()).also { from.readFully(it) }
    }
  }

  override fun close() {
    into.close()
    process.waitFor()
  }

  private fun names() = List(from.readInt()) { from.readUTF() }

  private fun buffer(name: String, known: List<String>): TensorBuffer {
    if (name !in known) throw LiteRtException(Status.ErrorNotFound, "no tensor $name in $known")
    return TensorBuffer(name)
  }

  companion object {
    fun create(assetManager: AssetManager, assetName: String, options: Options = Options.CPU) =
      CompiledModel(File(assetManager.root, assetName), options)

    fun create(filePath: String, options: Options = Options.CPU) = CompiledModel(File(filePath), options)
  }
}
