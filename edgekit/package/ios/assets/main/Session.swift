import CryptoKit
import Foundation
import LiteRT

/// A loaded model: prepared numbers in, real numbers out.
protocol Inference {
  func infer(_ prepared: [[Float]]) throws -> [[Float]]
}

/// The model as LiteRT runs it.
final class Session: Inference {
  private let model: CompiledModel
  private let inputs: [Input]
  private let outputs: [Tensor]
  private let given: [TensorBuffer]
  private let found: [TensorBuffer]

  /// Raises `ModelError` where LiteRT cannot load the file.
  init(file: URL, accelerators: Set<Accelerator>, inputs: [Input], outputs: [Tensor]) throws {
    do {
      let environment = try Environment()
      let options = try Options()
      try options.setHardwareAccelerators(accelerators)
      let content = try Model(filePath: file.path)
      model = try CompiledModel(environment: environment, model: content, options: options)
      given = try model.createInputBuffers()
      found = try model.createOutputBuffers()
    } catch {
      throw ModelError.runtime("LiteRT cannot load the model: \(error)")
    }
    self.inputs = inputs
    self.outputs = outputs
  }

  /// The outputs in real numbers, in order, for each input's prepared numbers, in order.
  func infer(_ prepared: [[Float]]) throws -> [[Float]] {
    let arranged = zip(inputs, prepared).map { one, values in one.arranged(values) }
    let values: [[Float]]
    do {
      for place in given.indices {
        let name = try model.inputName(inputIndex: place)
        let own = inputs.firstIndex { $0.tensor.name == name } ?? place
        try write(arranged[own], to: given[place], as: inputs[own].tensor)
      }
      try model.run(inputs: given, outputs: found)
      values = try read()
    } catch let error as ModelError {
      throw error
    } catch {
      throw ModelError.runtime("LiteRT failed: \(error)")
    }
    for (one, numbers) in zip(outputs, values) where !numbers.allSatisfy({ $0.isFinite }) {
      throw ModelError.runtime("The output \"\(one.name)\" holds NaN or infinity")
    }
    return values
  }

  private func read() throws -> [[Float]] {
    let names = try found.indices.map { try model.outputName(outputIndex: $0) }
    return try outputs.enumerated().map { place, one in
      let own = names.firstIndex(of: one.name) ?? place
      return one.real(try numbers(of: found[own], as: one))
    }
  }

  private func write(_ values: [Float], to buffer: TensorBuffer, as tensor: Tensor) throws {
    switch tensor.type {
    case "float32": try buffer.write(values)
    case "int64": try buffer.write(tensor.stored(values))
    case "int32": try buffer.write(tensor.stored(values).map { Int32($0) })
    case "int16": try buffer.write(tensor.stored(values).map { Int16($0) })
    case "int8": try buffer.write(tensor.stored(values).map { Int8($0) })
    default: try buffer.write(tensor.stored(values).map { UInt8($0) })
    }
  }

  private func numbers(of buffer: TensorBuffer, as tensor: Tensor) throws -> [Float] {
    switch tensor.type {
    case "float32": return try buffer.read()
    case "int64": return try (buffer.read() as [Int64]).map { Float($0) }
    case "int32": return try (buffer.read() as [Int32]).map { Float($0) }
    case "int16": return try (buffer.read() as [Int16]).map { Float($0) }
    case "int8": return try (buffer.read() as [Int8]).map { Float($0) }
    default: return try (buffer.read() as [UInt8]).map { Float($0) }
    }
  }
}

/// A file of this package, mapped into memory, whose SHA-256 is the package's. Raises `ModelError`.
func checked(_ file: URL?, sha256: String) throws -> (url: URL, content: Data) {
  guard let file, let content = try? Data(contentsOf: file, options: .alwaysMapped) else {
    throw ModelError.files("Cannot read \(file?.lastPathComponent ?? "a file of the package")")
  }
  let digest = SHA256.hash(data: content).map { String(format: "%02x", $0) }.joined()
  guard digest == sha256 else {
    throw ModelError.files("\(file.lastPathComponent) is not the file of this package")
  }
  return (file, content)
}
