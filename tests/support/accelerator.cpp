// Two graphics cards that are none: devices of torch's spare backend (PrivateUse1), whose memory is main memory.
//
// An operator runs by the processor's kernel on the same memory, so that its answers are the processor's to the last
// bit. Before that all its tensors, indices and generators have to lie on one card, as real ones ask; only copy_ goes
// from one device to another.
#include <atomic>
#include <utility>
#include <vector>

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/EmptyTensor.h>
#include <ATen/core/GeneratorForPrivateuseone.h>
#include <ATen/core/List.h>
#include <ATen/core/Tensor.h>
#include <ATen/detail/PrivateUse1HooksInterface.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <torch/csrc/api/include/torch/version.h>
#include <torch/library.h>

namespace {

using c10::Device, c10::DeviceIndex, c10::DispatchKey, c10::DispatchKeySet, c10::IValue, at::Tensor;

constexpr auto CARD = c10::DeviceType::PrivateUse1;
constexpr DeviceIndex CARDS = 2;

thread_local DeviceIndex current = 0;           // the card of this thread
std::atomic<int64_t> held[CARDS];               // bytes in use
std::atomic<int64_t> allocations{0};            // so far
std::atomic<int64_t> failing{-1};               // the number of the allocation that fails, if any
std::atomic<int64_t> unwaited{0};               // copies to the processor that nobody waits for
std::atomic<bool> float64{true};                // whether the cards know this type

// ------------------------------------------------------------------------------------------------------------- memory

// What is behind a storage of a card: one of the processor's.
struct Memory {
  c10::Storage storage;
  int64_t bytes;
  DeviceIndex card;
};

void drop(void* context) {
  auto* memory = static_cast<Memory*>(context);
  held[memory->card] -= memory->bytes;
  delete memory;
}

c10::DataPtr on_card(c10::Storage storage, DeviceIndex card) {
  TORCH_CHECK_WITH(OutOfMemoryError, ++allocations != failing, "The card is out of memory, as the test wants it.");
  const auto bytes = static_cast<int64_t>(storage.nbytes());
  held[card] += bytes;
  void* data = storage.mutable_data();
  return {data, new Memory{std::move(storage), bytes, card}, &drop, Device(CARD, card)};
}

struct CardAllocator final : c10::Allocator {
  c10::DataPtr allocate(size_t bytes) override {
    auto* processor = c10::GetCPUAllocator();
    return on_card(c10::Storage(c10::Storage::use_byte_size_t(), bytes, processor, /*resizable=*/true), current);
  }
  void copy_data(void* to, const void* from, size_t count) const override {
    default_copy_data(to, from, count);
  }
};
CardAllocator allocator;
REGISTER_ALLOCATOR(CARD, &allocator);

Memory* memory_of(const Tensor& tensor) {
  return static_cast<Memory*>(tensor.storage().data_ptr().get_context());
}

// ------------------------------------------------------------------------------------------- current card, generators

struct Guard final : c10::impl::DeviceGuardImplInterface {
  c10::DeviceType type() const override { return CARD; }
  Device exchangeDevice(Device device) const override {
    return {CARD, std::exchange(current, device.has_index() ? device.index() : current)};
  }
  Device getDevice() const override { return {CARD, current}; }
  void setDevice(Device device) const override { exchangeDevice(device); }
  void uncheckedSetDevice(Device device) const noexcept override { current = device.index(); }
  c10::Stream getStream(Device device) const noexcept override { return c10::Stream(c10::Stream::DEFAULT, device); }
  c10::Stream exchangeStream(c10::Stream stream) const noexcept override { return stream; }
  DeviceIndex deviceCount() const noexcept override { return CARDS; }
  void synchronizeDevice(const DeviceIndex) const override {}
};
C10_REGISTER_GUARD_IMPL(PrivateUse1, Guard);

struct CardGenerator final : c10::GeneratorImpl {
  at::Generator processor = at::detail::createCPUGenerator();

  explicit CardGenerator(DeviceIndex card)
      : GeneratorImpl(Device(CARD, card), DispatchKeySet(DispatchKey::PrivateUse1)) {}
  void set_current_seed(uint64_t seed) override { processor.set_current_seed(seed); }
  void set_offset(uint64_t offset) override { processor.set_offset(offset); }
  uint64_t get_offset() const override { return processor.get_offset(); }
  uint64_t current_seed() const override { return processor.current_seed(); }
  uint64_t seed() override { return processor.seed(); }
  void set_state(const c10::TensorImpl& state) override { processor.unsafeGetGeneratorImpl()->set_state(state); }
  c10::intrusive_ptr<c10::TensorImpl> get_state() const override {
    return processor.unsafeGetGeneratorImpl()->get_state();
  }
  CardGenerator* clone_impl() const override {
    auto* copy = new CardGenerator(device().index());
    copy->processor = processor.clone();
    return copy;
  }
};

struct Hooks final : at::PrivateUse1HooksInterface {
  bool isBuilt() const { return true; }               // overrides, from torch 2.7 on
  bool isAvailable() const { return true; }           // likewise
  bool hasPrimaryContext(DeviceIndex) const override { return true; }
  DeviceIndex deviceCount() const override { return CARDS; }
  DeviceIndex getCurrentDevice() const override { return current; }
  void setCurrentDevice(DeviceIndex card) const override { current = card; }
  DeviceIndex exchangeDevice(DeviceIndex card) const override { return std::exchange(current, card); }
  DeviceIndex maybeExchangeDevice(DeviceIndex card) const override { return exchangeDevice(card); }
  c10::Allocator* getPinnedMemoryAllocator() const override { return c10::GetCPUAllocator(); }
  at::Generator getNewGenerator(DeviceIndex card) const override {
    return at::make_generator<CardGenerator>(card < 0 ? current : card);
  }
  const at::Generator& getDefaultGenerator(DeviceIndex card) const override {
    static const at::Generator generators[] = {getNewGenerator(0), getNewGenerator(1)};
    return generators[card < 0 ? current : card];
  }
};
Hooks hooks;
#if TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR < 7      // which asks no hook for one
at::Generator generator_of(DeviceIndex card) { return hooks.getNewGenerator(card); }
REGISTER_GENERATOR_PRIVATEUSE1(generator_of)
#endif

// ---------------------------------------------------------------------------------------------------------- operators

bool lies_on_card(const Tensor& tensor) { return tensor.defined() && tensor.device().type() == CARD; }

void check_type(c10::ScalarType type) {
  TORCH_CHECK_TYPE(float64 || type != c10::kDouble, "This card does not support float64.");
}

// The tensor of the processor on the memory of a tensor of a card.
Tensor below(const Tensor& tensor) {
  auto alias = at::detail::make_tensor<c10::TensorImpl>(
      c10::Storage(memory_of(tensor)->storage), DispatchKeySet(DispatchKey::CPU), tensor.dtype());
  auto* impl = alias.unsafeGetTensorImpl();
  impl->set_sizes_and_strides(tensor.sizes(), tensor.strides(), tensor.storage_offset());
  if (tensor.unsafeGetTensorImpl()->is_wrapped_number()) impl->set_wrapped_number(true);
  alias._set_conj(tensor.is_conj());
  alias._set_neg(tensor.is_neg());
  return alias;
}

// One call of an operator.
class Call {
 public:
  Call(const c10::OperatorHandle& op, torch::jit::Stack* stack) : op_(op), stack_(stack) {}

  void run() {
    const auto& arguments = op_.schema().arguments();
    const auto first = stack_->size() - arguments.size();
    for (auto i = first; i < stack_->size(); ++i) each_tensor((*stack_)[i], [this](const Tensor& t) { check(t); });
    for (auto i = first; i < stack_->size(); ++i) find_device((*stack_)[i]);
    if (card_ < 0) card_ = current;
    for (size_t i = 0; i < arguments.size(); ++i) lower((*stack_)[first + i], arguments[i]);
    op_.redispatchBoxed(DispatchKeySet(DispatchKey::CPU), stack_);
    for (auto& [tensor, alias] : aliases_) follow(tensor, alias);
    const auto results = op_.schema().returns().size();
    for (auto i = stack_->size() - results; i < stack_->size(); ++i) {
      (*stack_)[i] = mapped((*stack_)[i], [this](const Tensor& t) { return raised(t); });
    }
  }

 private:
  template <typename Function>
  static void each_tensor(const IValue& value, Function function) {
    mapped(value, [&](const Tensor& t) { function(t); return t; });
  }

  // A value with other tensors in the place of those in it.
  template <typename Function>
  static IValue mapped(const IValue& value, Function function) {
    if (value.isTensor()) return function(value.toTensor());
    if (value.isTensorList()) {
      c10::List<Tensor> changed;
      for (const Tensor& tensor : value.toTensorVector()) changed.push_back(function(tensor));
      return changed;
    }
    if (value.isOptionalTensorList()) {
      c10::List<std::optional<Tensor>> changed;
      for (const std::optional<Tensor>& tensor : value.toOptionalTensorVector()) {
        changed.push_back(tensor ? std::optional<Tensor>(function(*tensor)) : std::nullopt);
      }
      return changed;
    }
    return value;
  }

  void check(const Tensor& tensor) {
    if (!tensor.defined() || (!lies_on_card(tensor) && tensor.dim() == 0)) return;    // numbers may lie anywhere
    TORCH_CHECK(lies_on_card(tensor), "Expected all tensors of ", op_.schema().name(),
                " to be on one card, but found one on ", tensor.device());
    check_type(tensor.scalar_type());
    TORCH_CHECK(card_ < 0 || card_ == tensor.device().index(), "Expected all tensors of ", op_.schema().name(),
                " to be on the same device, but found two of them, ", Device(CARD, card_), " and ", tensor.device());
    card_ = tensor.device().index();
  }

  void find_device(IValue& value) {
    if (!value.isDevice()) return;
    if (card_ < 0 && value.toDevice().has_index()) card_ = value.toDevice().index();
    value = IValue(Device(c10::kCPU));
  }

  void lower(IValue& value, const c10::Argument& argument) {
    if (argument.type()->isSubtypeOf(*c10::OptionalType::create(c10::GeneratorType::get()))) {
      auto generator = value.isNone() ? hooks.getDefaultGenerator(card_) : value.toGenerator();
      TORCH_CHECK(generator.device() == Device(CARD, card_), "Expected a generator on ", Device(CARD, card_), " for ",
                  op_.schema().name(), ", but found one on ", generator.device());
      value = static_cast<CardGenerator*>(generator.unsafeGetGeneratorImpl())->processor;
      return;
    }
    value = mapped(value, [this](const Tensor& t) { return lowered(t); });
  }

  Tensor lowered(const Tensor& tensor) {
    if (!lies_on_card(tensor)) return tensor;
    for (const auto& [known, alias] : aliases_) {
      if (known.is_same(tensor)) return alias;
    }
    aliases_.emplace_back(tensor, below(tensor));
    return aliases_.back().second;
  }

  // What a kernel has done to the shape and the memory of a tensor is done to that of the card.
  static void follow(const Tensor& tensor, const Tensor& alias) {
    auto* memory = memory_of(tensor);
    auto& storage = memory->storage;
    if (storage.nbytes() != tensor.storage().nbytes()) {
      auto& pointer = tensor.storage().unsafeGetStorageImpl()->mutable_data_ptr();
      pointer.release_context();
      held[memory->card] += static_cast<int64_t>(storage.nbytes()) - memory->bytes;
      memory->bytes = static_cast<int64_t>(storage.nbytes());
      pointer = c10::DataPtr(storage.mutable_data(), memory, &drop, Device(CARD, memory->card));
      tensor.storage().unsafeGetStorageImpl()->set_nbytes(storage.nbytes());
    }
    if (tensor.sizes() != alias.sizes() || tensor.strides() != alias.strides()
        || tensor.storage_offset() != alias.storage_offset()) {
      tensor.unsafeGetTensorImpl()->set_sizes_and_strides(alias.sizes(), alias.strides(), alias.storage_offset());
    }
  }

  // The tensor of the card for one that a kernel returns: one that it was given, a view of one, or a new one.
  Tensor raised(const Tensor& result) {
    if (!result.defined()) return result;
    for (const auto& [tensor, alias] : aliases_) {
      if (alias.is_same(result)) return tensor;
    }
    check_type(result.scalar_type());
    auto tensor = at::detail::make_tensor<c10::TensorImpl>(
        storage_for(result), DispatchKeySet(DispatchKey::PrivateUse1), result.dtype());
    tensor.unsafeGetTensorImpl()->set_sizes_and_strides(result.sizes(), result.strides(), result.storage_offset());
    tensor._set_conj(result.is_conj());
    tensor._set_neg(result.is_neg());
    return tensor;
  }

  c10::Storage storage_for(const Tensor& result) {
    for (const auto& [tensor, alias] : aliases_) {
      if (alias.storage().is_alias_of(result.storage())) return tensor.storage();
    }
    for (const auto& [processor, card] : storages_) {
      if (processor.is_alias_of(result.storage())) return card;
    }
    c10::Storage card(c10::Storage::use_byte_size_t(), result.storage().nbytes(), on_card(result.storage(), card_),
                      &allocator, /*resizable=*/true);
    storages_.emplace_back(result.storage(), card);
    return card;
  }

  const c10::OperatorHandle& op_;
  torch::jit::Stack* stack_;
  DeviceIndex card_ = -1;
  std::vector<std::pair<Tensor, Tensor>> aliases_;
  std::vector<std::pair<c10::Storage, c10::Storage>> storages_;
};

void by_the_processor(const c10::OperatorHandle& op, torch::jit::Stack* stack) { Call(op, stack).run(); }

Tensor& copy_(Tensor& self, const Tensor& source, bool non_blocking) {
  unwaited += non_blocking && !lies_on_card(self);
  auto target = lies_on_card(self) ? below(self) : self;
  target.copy_(lies_on_card(source) ? below(source) : source);
  return self;
}

c10::OptionalDeviceGuard guard_of(std::optional<Device> device) {
  return c10::OptionalDeviceGuard(device.value_or(Device(CARD)));
}

Tensor empty(c10::IntArrayRef size, std::optional<c10::ScalarType> type, std::optional<c10::Layout>,
             std::optional<Device> device, std::optional<bool>, std::optional<c10::MemoryFormat> format) {
  const auto guard = guard_of(device);
  check_type(c10::dtype_or_default(type));
  return at::detail::empty_generic(size, &allocator, DispatchKeySet(DispatchKey::PrivateUse1),
                                   c10::dtype_or_default(type), format);
}

Tensor empty_strided(c10::IntArrayRef size, c10::IntArrayRef stride, std::optional<c10::ScalarType> type,
                     std::optional<c10::Layout>, std::optional<Device> device, std::optional<bool>) {
  const auto guard = guard_of(device);
  check_type(c10::dtype_or_default(type));
  return at::detail::empty_strided_generic(size, stride, &allocator, DispatchKeySet(DispatchKey::PrivateUse1),
                                           c10::dtype_or_default(type));
}

Tensor& set_(Tensor& self, c10::Storage storage, int64_t offset, c10::IntArrayRef size, c10::IntArrayRef stride) {
  self.unsafeGetTensorImpl()->set_storage_keep_dtype(std::move(storage));
  self.unsafeGetTensorImpl()->set_sizes_and_strides(size, stride, offset);
  return self;
}

Tensor& set_all_(Tensor& self, c10::Storage storage) {
  const auto count = static_cast<int64_t>(storage.nbytes() / self.itemsize());
  return set_(self, std::move(storage), 0, {count}, {1});
}

TORCH_LIBRARY_IMPL(_, PrivateUse1, m) {
  m.fallback(torch::CppFunction::makeFromBoxedFunction<&by_the_processor>());
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  m.impl("copy_", &copy_);
  m.impl("empty.memory_format", &empty);
  m.impl("empty_strided", &empty_strided);
  m.impl("set_.source_Storage", &set_all_);
  m.impl("set_.source_Storage_storage_offset", &set_);
  // Which torch composes of others in another way for each kind of device.
  for (auto* name : {"convolution", "group_norm", "layer_norm", "rms_norm", "scaled_dot_product_attention"}) {
    m.impl(name, torch::CppFunction::makeFromBoxedFunction<&by_the_processor>());
  }
}

TORCH_LIBRARY(accelerator, m) {
  m.def("current() -> int", []() -> int64_t { return current; });
  m.def("use(int card) -> ()", [](int64_t card) {
    TORCH_CHECK(0 <= card && card < CARDS, "There is no card ", card);
    current = static_cast<DeviceIndex>(card);
  });
  m.def("held(int card) -> int", [](int64_t card) -> int64_t { return held[card]; });
  m.def("allocations() -> int", []() -> int64_t { return allocations; });
  m.def("fail_at(int number) -> ()", [](int64_t number) { failing = number; });
  m.def("unwaited() -> int", []() -> int64_t { return unwaited; });
  m.def("allow_float64(bool allowed) -> ()", [](bool allowed) { float64 = allowed; });
}

const bool registered = [] { at::RegisterPrivateUse1HooksInterface(&hooks); return true; }();

}  // namespace
